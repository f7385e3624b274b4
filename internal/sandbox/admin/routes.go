package admin

import (
	"encoding/json"
	"net/http"
	"strings"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

// action handles one request. It returns a status with a body to encode as JSON
// (nil for none), or an error.
type action func(r *http.Request) (status int, body any, err error)

// route is one path with its operations. The server, the index and the OpenAPI
// document are all built from the same routes.
type route struct {
	path       string
	operations operations
}

// operations maps an HTTP method to its operation at one path.
type operations map[string]operation

// summary joins the summaries of the methods, sorted by method.
func (o operations) summary() string {
	var summaries []string
	for _, method := range sortedMethods(o) {
		summaries = append(summaries, o[method].summary)
	}
	return strings.Join(summaries, "; ")
}

// operation is what one method does, and how the OpenAPI document describes it.
type operation struct {
	do      action
	stream  http.HandlerFunc // replaces do when the answer is not JSON
	id      string           // operationId in the document
	summary string           // an imperative without a full stop, such as "Create a phone"
	detail  string           // whole sentences, empty when the summary says it all
	query   []string         // query parameters; parameters describes them
	in      any              // an example of the body, nil when there is none
	picture bool             // the body may also be a picture, or a form with one
	yaml    bool             // the body may also be YAML
	jpeg    bool             // the body is a JPEG
	shown   bool             // the body may be what a client shows a person, as it is: see readShown
	file    bool             // the answer is a file
	status  int              // status of success, 0 for 200
	out     any              // an example of the answer, nil when there is none
}

// The resources. Each has its routes, and all share the handler's context.
type (
	// callAPI serves calls.
	callAPI struct{ *api }
	// chatAPI serves chats, contacts and app state.
	chatAPI struct{ *api }
	// faultAPI serves faults, actions on live connections, uploaded files and counters.
	faultAPI struct{ *api }
	// groupAPI serves groups.
	groupAPI struct{ *api }
	// messageAPI serves messages and their files.
	messageAPI struct{ *api }
	// phoneAPI serves phones, their devices and pairing.
	phoneAPI struct{ *api }
	// profileAPI serves profile pictures, typing states and the client versions that the server accepts.
	profileAPI struct{ *api }
	// scenarioAPI serves scenarios.
	scenarioAPI struct{ *api }
)

func (a *api) routes() []route {
	routes := []route{
		{"/{$}", operations{
			"GET": {do: a.index, id: "listRoutes", summary: "List routes", out: exampleIndex()},
		}},
		{"/openapi.json", operations{
			"GET": {do: a.openAPI, id: "getOpenAPI", summary: "Get this document", out: json.RawMessage(`{"openapi":"3.1.0"}`)},
		}},
		{"/server", operations{
			"GET": {do: a.describe, id: "getServer", summary: "Get the server address and root key", detail: "A client needs both to connect.", out: exampleServer()},
		}},
	}
	routes = append(routes, phoneAPI{a}.routes()...)
	routes = append(routes, profileAPI{a}.routes()...)
	routes = append(routes, messageAPI{a}.routes()...)
	routes = append(routes, chatAPI{a}.routes()...)
	routes = append(routes, callAPI{a}.routes()...)
	routes = append(routes, groupAPI{a}.routes()...)
	routes = append(routes, groupAPI{a}.broadcastRoutes()...)
	routes = append(routes, faultAPI{a}.routes()...)
	routes = append(routes, scenarioAPI{a}.routes()...)
	return append(routes, route{"/events", operations{
		"GET": {
			stream: a.events, id: "getEvents", query: []string{"kind", "account", "wait"}, out: eventsBody{[]observe.Event{exampleEvent()}},
			summary: "Follow events, or wait for the next one",
			detail:  "With Accept: text/event-stream the answer is a stream of server-sent events. Without it the answer is the next matching event, or an empty list when the wait ends.",
		},
	}})
}

func (a phoneAPI) routes() []route {
	phone := examplePhone()
	return []route{
		{"/phones", operations{
			"GET":  {do: a.listPhones, id: "listPhones", summary: "List phones", out: phonesBody{[]phoneBody{phone}}},
			"POST": {do: a.addPhone, id: "addPhone", summary: "Create a phone", detail: "Missing fields get default values.", in: phoneRequest{Number: phone.Number, Name: phone.Name, Script: phone.Script}, status: http.StatusCreated, out: phone},
		}},
		{"/phones/{number}", operations{
			"GET":    {do: a.getPhone, id: "getPhone", summary: "Get a phone", out: phone},
			"PATCH":  {do: a.changePhone, id: "changePhone", summary: "Update a phone", detail: "Changes its name, script, delay or about text, or switches it on or off.", in: phoneChange{Script: phone.Script}, out: phone},
			"DELETE": {do: a.removePhone, id: "removePhone", summary: "Delete a phone", detail: "Its linked devices are logged out.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/scan", operations{
			"POST": {
				do: a.scan, id: "scanQR", query: []string{"wait"}, in: scanRequest{Code: "https://wa.me/settings/linked_devices#2@..."}, picture: true, shown: true, out: scanBody{exampleDevice},
				summary: "Scan a QR code",
				detail:  "The answer comes once the client has confirmed the pairing.",
			},
		}},
		{"/phones/{number}/code", operations{
			"POST": {
				do: a.enterCode, id: "enterPairingCode", query: []string{"wait"}, in: codeRequest{"ABCD-1234"}, shown: true, out: scanBody{exampleDevice},
				summary: "Enter a pairing code",
				detail:  "The client shows the code. The answer comes once the client has confirmed the pairing.",
			},
		}},
		{"/phones/{number}/passkey", operations{
			"GET": {do: a.getPasskey, id: "getPasskey", summary: "Get whether pairing requires a passkey", out: passkeyBody{true}},
			"PUT": {do: a.setPasskey, id: "setPasskey", summary: "Set whether pairing requires a passkey", in: passkeyRequest{new(true)}, out: passkeyBody{true}},
		}},
		{"/phones/{number}/passkey/assertion", operations{
			"POST": {
				do: a.assertPasskey, id: "assertPasskey", in: json.RawMessage(exampleAssertionRequest), shown: true, out: json.RawMessage(exampleAssertion),
				summary: "Answer a passkey request",
				detail:  "Takes WebAuthn's PublicKeyCredentialRequestOptions and returns a PublicKeyCredential, as a browser does.",
			},
		}},
		{"/phones/{number}/devices", operations{
			"GET": {do: a.listDevices, id: "listDevices", summary: "List a phone's linked devices", out: devicesBody{phone.Devices}},
		}},
		{"/phones/{number}/devices/{jid}", operations{
			"DELETE": {do: a.unlinkDevice, id: "unlinkDevice", summary: "Unlink a device", detail: `Does what a person does under "Linked devices" on the phone.`, status: http.StatusNoContent},
		}},
	}
}

func (a messageAPI) routes() []route {
	return []route{
		{"/phones/{number}/messages", operations{
			"GET": {
				do: a.listMessages, id: "listMessages", query: []string{"after", "wait"}, out: messagesBody{[]messageBody{exampleMessage()}},
				summary: "List a phone's messages",
				detail:  "Oldest first, sent and received. With wait, the answer comes once there is a message, or is empty when the time is over.",
			},
			"POST": {do: a.sendMessage, id: "sendMessage", summary: "Send a message from a phone", in: sendRequest{To: "34600111222", Text: "hola"}, status: http.StatusCreated, out: sendBody{exampleMessage().ID}},
		}},
		{"/phones/{number}/messages/{id}/media", operations{
			"GET": {do: a.messageMedia, id: "getMessageMedia", summary: "Download the file of a message", detail: "The file is decrypted.", file: true},
		}},
		{"/phones/{number}/messages/{id}/raw", operations{
			"GET": {
				do: a.rawMessage, id: "getRawMessage", out: exampleRaw(),
				summary: "Get a message as it came",
				detail:  "What the phone decrypted of a message that a linked device sent, and the stanza that brought it. Nothing is interpreted or left out. The server keeps the newest 4,096 of each, of at most 16 MiB.",
			},
		}},
		{"/phones/{number}/stanzas", operations{
			"GET": {
				do: a.listStanzas, id: "listStanzas", out: stanzasBody{exampleRaw().Stanzas},
				summary: "List what a phone's linked devices sent",
				detail:  "Their last 100 messages, receipts, chat states and presences, as they came.",
			},
		}},
		{"/phones/{number}/messages/{id}/read", operations{
			"POST": {do: a.readMessage, id: "readMessage", summary: "Mark a message as read", detail: "The sender gets the read receipt.", status: http.StatusNoContent},
		}},
	}
}

func (a groupAPI) routes() []route {
	group := exampleGroup()
	list := groupsBody{[]groupBody{group}}
	member := []string{"34600111222"}
	link := linkBody{"https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"}
	return []route{
		{"/phones/{number}/groups", operations{
			"GET":  {do: a.listPhoneGroups, id: "listPhoneGroups", summary: "List a phone's groups", out: list},
			"POST": {do: a.createGroup, id: "createGroup", summary: "Create a group", in: newGroupRequest{Subject: group.Subject, Members: member}, status: http.StatusCreated, out: group},
		}},
		{"/phones/{number}/groups/join", operations{
			"POST": {do: a.joinGroup, id: "joinGroup", summary: "Join a group by its invite link", detail: "If the group requires approval, an admin has to approve the request first.", in: joinRequest(link), out: joinedBody{JID: group.JID}},
		}},
		{"/phones/{number}/groups/{jid}", operations{
			"PATCH":  {do: a.changeGroup, id: "changeGroup", summary: "Update a group", in: groupChange{Announce: new(true)}, out: group},
			"DELETE": {do: a.leaveGroup, id: "leaveGroup", summary: "Leave a group", status: http.StatusNoContent},
		}},
		{"/phones/{number}/groups/{jid}/members", operations{
			"POST": {do: a.changeMembers, id: "changeMembers", summary: "Add, remove, promote or demote group members", in: memberRequest{"promote", member}, out: group},
		}},
		{"/phones/{number}/groups/{jid}/requests", operations{
			"POST": {do: a.decideRequests, id: "decideRequests", summary: "Approve or reject requests to join a group", in: decideRequest{new(true), member}, out: group},
		}},
		{"/phones/{number}/groups/{jid}/link", operations{
			"GET":  {do: a.groupLink, id: "getGroupLink", summary: "Get a group's invite link", out: link},
			"POST": {do: a.newGroupLink, id: "renewGroupLink", summary: "Replace a group's invite link", detail: "The old link is revoked.", out: link},
		}},
		{"/groups", operations{
			"GET": {do: a.listGroups, id: "listGroups", summary: "List all groups", out: list},
		}},
	}
}

func (a faultAPI) routes() []route {
	request := faultRequest{Kind: string(faults.LoginFailure), Account: "4915112345678", Count: 2, Code: 503}
	fault := faultBody{ID: "1", Kind: request.Kind, Account: request.Account, Count: request.Count, Code: request.Code}
	one := selectRequest{Account: request.Account}
	return []route{
		{"/media", operations{
			"GET": {do: a.listMedia, id: "listMedia", summary: "List uploaded files", out: mediaFilesBody{[]mediaFileBody{exampleFile()}}},
		}},
		{"/media/{id}", operations{
			"DELETE": {do: a.expireMedia, id: "expireMedia", summary: "Remove an uploaded file", detail: "Phones keep their copy unless lost is true: they upload the file again for a device that asks.", query: []string{"code", "lost"}, status: http.StatusNoContent},
		}},
		{"/faults", operations{
			"GET":    {do: a.listFaults, id: "listFaults", summary: "List faults", detail: "Lists the active faults and every kind that can be set.", out: faultsBody{[]faultBody{fault}, []string{request.Kind}}},
			"POST":   {do: a.setFault, id: "setFault", summary: "Set a fault", detail: "docs/sandbox.md lists the fields of each kind.", in: request, status: http.StatusCreated, out: fault},
			"DELETE": {do: a.clearFaults, id: "clearFaults", summary: "Clear all faults", status: http.StatusNoContent},
		}},
		{"/faults/{id}", operations{
			"DELETE": {do: a.clearFault, id: "clearFault", summary: "Clear a fault", status: http.StatusNoContent},
		}},
		{"/actions/drop", operations{
			"POST": {do: a.drop, id: "drop", summary: "Cut connections", detail: "Sends a TCP reset on the selected live connections. An empty object selects all.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/close", operations{
			"POST": {do: a.closeConnections, id: "closeConnections", summary: "Close connections", detail: "Closes the selected live connections in an orderly way. An empty object selects all.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/half-open", operations{
			"POST": {do: a.halfOpen, id: "halfOpen", summary: "Leave connections half open", detail: "The server keeps the selected live connections open, but neither reads nor writes on them. An empty object selects all.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/restart", operations{
			"POST": {do: a.restart, id: "restart", summary: "Restart the server", detail: "The server is away for the given time. The answer comes once it is back.", in: restartRequest{Down: "2s"}, status: http.StatusNoContent},
		}},
		{"/actions/retire-code", operations{
			"POST": {
				do: a.retireCode, id: "retireCode", summary: "Retire a QR code", status: http.StatusNoContent,
				detail: "Tells the client that shows the code to show it again with a new secret (companion_reg_refresh). A scan of the retired code is refused.",
				in:     retireRequest{Code: "https://wa.me/settings/linked_devices#2@..."},
			},
		}},
		{"/actions/stream-error", operations{
			"POST": {do: a.streamError, id: "streamError", summary: "Send a stream error", detail: "Ends the selected live connections as WhatsApp does: with a code, the reason of a conflict, or both.", in: streamErrorRequest{Code: 503}, out: connectionsBody{1}},
		}},
		{"/counters", operations{
			"GET": {do: a.counters, id: "getCounters", summary: "Get the counters", detail: "They count from the start of the server.", out: exampleCounters()},
		}},
	}
}
