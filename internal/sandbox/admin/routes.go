package admin

import (
	"encoding/json"
	"net/http"

	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/observe"
)

// action answers one request: a status with a body for JSON (nil for none), or
// an error.
type action func(r *http.Request) (status int, body any, err error)

// route is one path and what can be done there. The server, its index and the
// OpenAPI document are all made from the same routes.
type route struct {
	path       string
	summary    string // what the index says
	operations operations
}

// operations maps an HTTP method to what it does at one path.
type operations map[string]operation

// operation is what one method does, and what the document tells of it.
type operation struct {
	do      action
	stream  http.HandlerFunc // instead of do, for an answer that is no JSON
	id      string           // the operation's name in the document
	says    string           // one sentence
	query   []string         // parameters of the URL, explained in parameters
	in      any              // an example of the body, nil when there is none
	picture bool             // the body may also be a picture, or a form with one
	yaml    bool             // the body may also be YAML
	jpeg    bool             // the body is a JPEG
	file    bool             // the answer is a file
	status  int              // of success, 0 for 200
	out     any              // an example of the answer, nil when there is none
}

// The resources, each with its routes. All share the handler's context.
type (
	// callAPI is calls.
	callAPI struct{ *api }
	// chatAPI is chats, contacts and app state.
	chatAPI struct{ *api }
	// groupAPI is groups.
	groupAPI struct{ *api }
	// messageAPI is messages and their files.
	messageAPI struct{ *api }
	// phoneAPI is phones, their devices and pairing.
	phoneAPI struct{ *api }
	// profileAPI is what accounts show of themselves.
	profileAPI struct{ *api }
	// scenarioAPI is scenarios.
	scenarioAPI struct{ *api }
	// weatherAPI is what goes wrong: faults, and what is done to connections and files.
	weatherAPI struct{ *api }
)

func (a *api) routes() []route {
	routes := []route{
		{"/{$}", "this list", operations{
			"GET": {do: a.index, id: "listRoutes", says: "List the routes.", out: exampleIndex()},
		}},
		{"/openapi.json", "this API as an OpenAPI 3.1 document", operations{
			"GET": {do: a.openAPI, id: "getOpenAPI", says: "Get this document.", out: json.RawMessage(`{"openapi":"3.1.0"}`)},
		}},
		{"/server", "the address and root key that a client needs", operations{
			"GET": {do: a.describe, id: "getServer", says: "Get what a client has to know to connect.", out: exampleServer()},
		}},
	}
	routes = append(routes, phoneAPI{a}.routes()...)
	routes = append(routes, profileAPI{a}.routes()...)
	routes = append(routes, messageAPI{a}.routes()...)
	routes = append(routes, chatAPI{a}.routes()...)
	routes = append(routes, callAPI{a}.routes()...)
	routes = append(routes, groupAPI{a}.routes()...)
	routes = append(routes, weatherAPI{a}.routes()...)
	routes = append(routes, scenarioAPI{a}.routes()...)
	return append(routes, route{"/events", "what happens, as a stream or one at a time", operations{
		"GET": {
			stream: a.events, id: "getEvents", query: []string{"kind", "account", "wait"}, out: eventsBody{[]observe.Event{exampleEvent()}},
			says: "Follow what happens as a stream of server-sent events, or wait for the next event.",
		},
	}})
}

func (a phoneAPI) routes() []route {
	phone := examplePhone()
	return []route{
		{"/phones", "virtual phones; add one", operations{
			"GET":  {do: a.listPhones, id: "listPhones", says: "List the phones.", out: phonesBody{[]phoneBody{phone}}},
			"POST": {do: a.addPhone, id: "addPhone", says: "Add a phone. What is left out is chosen.", in: phoneRequest{Number: phone.Number, Name: phone.Name, Script: phone.Script}, status: http.StatusCreated, out: phone},
		}},
		{"/phones/{number}", "one phone; change its script or its about text, switch it on or off; remove it", operations{
			"GET":    {do: a.getPhone, id: "getPhone", says: "Get one phone.", out: phone},
			"PATCH":  {do: a.changePhone, id: "changePhone", says: "Give a phone another script or about text, or switch it on or off.", in: phoneChange{Script: phone.Script}, out: phone},
			"DELETE": {do: a.removePhone, id: "removePhone", says: "Remove a phone with everything linked to it.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/scan", "scan a pairing QR, as code or as picture", operations{
			"POST": {
				do: a.scan, id: "scanQR", query: []string{"wait"}, in: scanRequest{Code: "https://wa.me/settings/linked_devices#2@..."}, picture: true, out: scanBody{exampleDevice},
				says: "Scan a pairing QR. The answer comes once the client has confirmed the pairing.",
			},
		}},
		{"/phones/{number}/code", "enter the pairing code that a client shows", operations{
			"POST": {
				do: a.enterCode, id: "enterPairingCode", query: []string{"wait"}, in: codeRequest{"ABCD-1234"}, out: scanBody{exampleDevice},
				says: "Enter the pairing code that a client shows. The answer comes once the client has confirmed the pairing.",
			},
		}},
		{"/phones/{number}/passkey", "whether pairings need the account's passkey; say so", operations{
			"GET": {do: a.getPasskey, id: "getPasskey", says: "Tell whether pairings need the account's passkey.", out: passkeyBody{true}},
			"PUT": {do: a.setPasskey, id: "setPasskey", says: "Say whether pairings need the account's passkey.", in: passkeyRequest{new(true)}, out: passkeyBody{true}},
		}},
		{"/phones/{number}/passkey/assertion", "answer a passkey request, as a browser does", operations{
			"POST": {
				do: a.assertPasskey, id: "assertPasskey", in: json.RawMessage(exampleAssertionRequest), out: json.RawMessage(exampleAssertion),
				says: "Answer a passkey request as a browser does: WebAuthn's PublicKeyCredentialRequestOptions in, its PublicKeyCredential out.",
			},
		}},
		{"/phones/{number}/devices", "devices linked to the phone", operations{
			"GET": {do: a.listDevices, id: "listDevices", says: "List the devices linked to a phone.", out: devicesBody{phone.Devices}},
		}},
		{"/phones/{number}/devices/{jid}", "unlink a device, as a person does on the phone", operations{
			"DELETE": {do: a.unlinkDevice, id: "unlinkDevice", says: "Unlink a device, as a person does on the phone.", status: http.StatusNoContent},
		}},
	}
}

func (a messageAPI) routes() []route {
	return []route{
		{"/phones/{number}/messages", "messages of the phone; send one", operations{
			"GET": {
				do: a.listMessages, id: "listMessages", query: []string{"after", "wait"}, out: messagesBody{[]messageBody{exampleMessage()}},
				says: "List what a phone has sent and received, oldest first, or wait for the next.",
			},
			"POST": {do: a.sendMessage, id: "sendMessage", says: "Send a message.", in: sendRequest{To: "34600111222", Text: "hola"}, status: http.StatusCreated, out: sendBody{exampleMessage().ID}},
		}},
		{"/phones/{number}/messages/{id}/media", "the file in a message, decrypted", operations{
			"GET": {do: a.messageMedia, id: "getMessageMedia", says: "Get the file in a message, decrypted.", file: true},
		}},
		{"/phones/{number}/messages/{id}/read", "read a message: its sender gets the read receipt", operations{
			"POST": {do: a.readMessage, id: "readMessage", says: "Read a received message: its sender gets the read receipt.", status: http.StatusNoContent},
		}},
	}
}

func (a groupAPI) routes() []route {
	group := exampleGroup()
	list := groupsBody{[]groupBody{group}}
	member := []string{"34600111222"}
	link := linkBody{"https://chat.whatsapp.com/AbCdEfGhIjKlMnOpQrStUv"}
	return []route{
		{"/phones/{number}/groups", "groups of the phone; make one", operations{
			"GET":  {do: a.listPhoneGroups, id: "listPhoneGroups", says: "List the groups that a phone is in.", out: list},
			"POST": {do: a.createGroup, id: "createGroup", says: "Make a group.", in: newGroupRequest{Subject: group.Subject, Members: member}, status: http.StatusCreated, out: group},
		}},
		{"/phones/{number}/groups/join", "follow an invite link", operations{
			"POST": {do: a.joinGroup, id: "joinGroup", says: "Follow an invite link.", in: joinRequest(link), out: joinedBody{JID: group.JID}},
		}},
		{"/phones/{number}/groups/{jid}", "change a group's settings; leave it", operations{
			"PATCH":  {do: a.changeGroup, id: "changeGroup", says: "Change a group's settings.", in: groupChange{Announce: new(true)}, out: group},
			"DELETE": {do: a.leaveGroup, id: "leaveGroup", says: "Leave a group.", status: http.StatusNoContent},
		}},
		{"/phones/{number}/groups/{jid}/members", "add, remove, promote or demote members", operations{
			"POST": {do: a.changeMembers, id: "changeMembers", says: "Add, remove, promote or demote members.", in: memberRequest{"promote", member}, out: group},
		}},
		{"/phones/{number}/groups/{jid}/requests", "let in who waits, or not", operations{
			"POST": {do: a.decideRequests, id: "decideRequests", says: "Let in who waits, or not.", in: decideRequest{new(true), member}, out: group},
		}},
		{"/phones/{number}/groups/{jid}/link", "the invite link; a new one, revoking the old", operations{
			"GET":  {do: a.groupLink, id: "getGroupLink", says: "Get the invite link.", out: link},
			"POST": {do: a.newGroupLink, id: "renewGroupLink", says: "Make a new invite link, which revokes the old one.", out: link},
		}},
		{"/groups", "all groups", operations{
			"GET": {do: a.listGroups, id: "listGroups", says: "List all groups.", out: list},
		}},
	}
}

func (a weatherAPI) routes() []route {
	request := faultRequest{Kind: string(faults.LoginFailure), Account: "4915112345678", Count: 2, Code: 503}
	fault := faultBody{ID: "1", Kind: request.Kind, Account: request.Account, Count: request.Count, Code: request.Code}
	one := selectRequest{Account: request.Account}
	return []route{
		{"/media", "uploaded files", operations{
			"GET": {do: a.listMedia, id: "listMedia", says: "List the files that were uploaded.", out: mediaFilesBody{[]mediaFileBody{exampleFile()}}},
		}},
		{"/media/{id}", "take a file away: downloads get ?code=, 410 by default", operations{
			"DELETE": {do: a.expireMedia, id: "expireMedia", query: []string{"code", "lost"}, says: "Take a file away. Phones still have it, and upload it again for a device that asks.", status: http.StatusNoContent},
		}},
		{"/faults", "faults; set one; clear all", operations{
			"GET":    {do: a.listFaults, id: "listFaults", says: "List the faults that are set, and the kinds there are.", out: faultsBody{[]faultBody{fault}, []string{request.Kind}}},
			"POST":   {do: a.setFault, id: "setFault", says: "Set a fault. The guide lists the fields of each kind.", in: request, status: http.StatusCreated, out: fault},
			"DELETE": {do: a.clearFaults, id: "clearFaults", says: "Clear all faults.", status: http.StatusNoContent},
		}},
		{"/faults/{id}", "clear a fault", operations{
			"DELETE": {do: a.clearFault, id: "clearFault", says: "Clear one fault.", status: http.StatusNoContent},
		}},
		{"/actions/drop", "cut live connections without a goodbye", operations{
			"POST": {do: a.drop, id: "drop", says: "Cut live connections with a TCP reset. An empty object means all.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/close", "close live connections in good order", operations{
			"POST": {do: a.closeConnections, id: "closeConnections", says: "Close live connections in good order.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/half-open", "leave live connections half open: nothing is read or sent any more", operations{
			"POST": {do: a.halfOpen, id: "halfOpen", says: "Leave live connections half open: nothing is read or sent any more.", in: one, out: connectionsBody{1}},
		}},
		{"/actions/restart", "take the server away for a while, with or without what it knows", operations{
			"POST": {do: a.restart, id: "restart", says: "Take the server away for a while, with or without what it knows.", in: restartRequest{Down: "2s"}, status: http.StatusNoContent},
		}},
		{"/actions/stream-error", "send live connections a stream error", operations{
			"POST": {do: a.streamError, id: "streamError", says: "End live connections as WhatsApp ends them: with a code, the reason of a conflict, or both.", in: streamErrorRequest{Code: 503}, out: connectionsBody{1}},
		}},
		{"/counters", "what the server has seen", operations{
			"GET": {do: a.counters, id: "getCounters", says: "Get what the server has seen since its start.", out: exampleCounters()},
		}},
	}
}
