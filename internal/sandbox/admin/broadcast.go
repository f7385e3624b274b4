package admin

import (
	"net/http"
	"time"

	"wasup/internal/sandbox/channels"
)

type newListRequest struct {
	Recipients []string `json:"recipients" doc:"numbers or JIDs" need:"yes"`
}

type newChannelRequest struct {
	Name      string   `json:"name" doc:"1 to 100 characters" need:"yes"`
	Followers []string `json:"followers" doc:"numbers or JIDs"`
}

type placeBody struct {
	JID string `json:"jid" doc:"address; messages are sent to it like to a phone"`
}

type channelBody struct {
	JID       string     `json:"jid" doc:"address of the channel"`
	Name      string     `json:"name" doc:"name of the channel"`
	Owner     string     `json:"owner" doc:"JID of the owner"`
	Followers []string   `json:"followers" doc:"JIDs of the followers"`
	Posts     []postBody `json:"posts" doc:"posts, oldest first"`
}

type postBody struct {
	ID        string             `json:"id" doc:"id that the owner chose"`
	Number    int                `json:"number" doc:"number that the server gave (server_id)"`
	Time      time.Time          `json:"time" doc:"when it was posted"`
	Reactions []postReactionBody `json:"reactions" doc:"reactions of followers"`
}

type postReactionBody struct {
	From  string `json:"from" doc:"JID of the account that reacted"`
	Emoji string `json:"emoji" doc:"emoji of the reaction"`
}

type channelsBody struct {
	Channels []channelBody `json:"channels" doc:"all channels"`
}

func channelsJSON(all []channels.Info) channelsBody {
	body := channelsBody{Channels: []channelBody{}}
	for _, info := range all {
		c := channelBody{JID: info.JID.String(), Name: info.Name, Owner: info.Owner.String(), Followers: append([]string{}, jidTexts(info.Followers)...), Posts: []postBody{}}
		for _, p := range info.Posts {
			described := postBody{ID: p.ID, Number: p.Number, Time: p.At, Reactions: []postReactionBody{}}
			for _, r := range p.Reactions {
				described.Reactions = append(described.Reactions, postReactionBody{r.From.String(), r.Emoji})
			}
			c.Posts = append(c.Posts, described)
		}
		body.Channels = append(body.Channels, c)
	}
	return body
}

func (a groupAPI) createList(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in newListRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	jid, err := phone.CreateList(r.Context(), in.Recipients)
	if err != nil {
		return 0, nil, translateAs(err, "to", "recipients", "members", "recipients")
	}
	return http.StatusCreated, placeBody{jid.String()}, nil
}

func (a groupAPI) createChannel(r *http.Request) (int, any, error) {
	phone, err := a.phone(r)
	if err != nil {
		return 0, nil, err
	}
	var in newChannelRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	jid, err := phone.CreateChannel(r.Context(), in.Name, in.Followers)
	if err != nil {
		return 0, nil, translateAs(err, "to", "followers")
	}
	return http.StatusCreated, placeBody{jid.String()}, nil
}

func (a groupAPI) listChannels(*http.Request) (int, any, error) {
	return http.StatusOK, channelsJSON(a.server.Channels()), nil
}

// broadcastRoutes are the routes of broadcast lists and channels.
func (a groupAPI) broadcastRoutes() []route {
	member := []string{"34600111222"}
	channel := channelBody{
		JID: "120363400000000001@newsletter", Name: "News", Owner: "4915112345678@s.whatsapp.net", Followers: []string{"34600111222@s.whatsapp.net"},
		Posts: []postBody{{ID: exampleMessage().ID, Number: 1, Time: exampleMessage().Time, Reactions: []postReactionBody{{"34600111222@s.whatsapp.net", "👍"}}}},
	}
	return []route{
		{"/phones/{number}/lists", operations{
			"POST": {
				do: a.createList, id: "createList", summary: "Create a broadcast list", in: newListRequest{member}, status: http.StatusCreated, out: placeBody{"170000000001@broadcast"},
				detail: "What the phone sends to it arrives in each recipient's chat with the phone.",
			},
		}},
		{"/phones/{number}/channels", operations{
			"POST": {
				do: a.createChannel, id: "createChannel", summary: "Create a channel", in: newChannelRequest{channel.Name, member}, status: http.StatusCreated, out: placeBody{channel.JID},
				detail: "What the phone sends to it reaches the linked devices of the followers.",
			},
		}},
		{"/channels", operations{
			"GET": {do: a.listChannels, id: "listChannels", summary: "List all channels", detail: "With their posts and the reactions.", out: channelsBody{[]channelBody{channel}}},
		}},
	}
}
