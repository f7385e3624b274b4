// Package admin is the JSON admin API of a sandbox server: with it a person or
// a test in any language adds phones, scans QR codes, sends and reads messages
// and switches faults on.
//
// It owns the routes under /sandbox/v1, their JSON and their errors. It keeps no
// state of its own and may not listen: the caller serves the handler, on
// loopback, as there is no authentication.
package admin

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"wasup/sandbox"
)

// Prefix is the path under which all routes are.
const Prefix = "/sandbox/v1"

// api is the handler's context: the server it drives, and where failures go that
// are nobody's bad input.
type api struct {
	server *sandbox.Server
	log    *slog.Logger
}

// action answers one request: a status with a body for JSON (nil for none), or
// an error.
type action func(r *http.Request) (status int, body any, err error)

// methods maps an HTTP method to what it does at one path.
type methods map[string]action

// New returns the handler. Answers are JSON, errors are
// {"error":{"code","message","field"}}. A nil logger discards.
func New(server *sandbox.Server, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &api{server: server, log: log}
	mux := http.NewServeMux()
	for _, route := range a.routes() {
		mux.Handle(Prefix+route.path, a.dispatch(route.methods))
	}
	mux.HandleFunc(Prefix+"/events", a.events)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if a.page(w, r) {
			return
		}
		a.refuse(w, r, &problem{http.StatusNotFound, "not_found", "no such route; GET " + Prefix + "/ lists them", ""})
	})
	// A page of another origin in a browser on this machine can reach loopback
	// too, and forms ask no one first.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, &problem{http.StatusForbidden, "cross_origin", "web pages of other origins have no access", ""})
	}))
	return guard.Handler(mux)
}

// route is one path and what can be done there; summary is what the index says.
type route struct {
	path    string
	methods methods
	summary string
}

func (a *api) routes() []route {
	return []route{
		{"/{$}", methods{"GET": a.index}, "this list"},
		{"/server", methods{"GET": a.describe}, "the address and root key that a client needs"},
		{"/phones", methods{"GET": a.listPhones, "POST": a.addPhone}, "virtual phones; add one"},
		{"/phones/{number}", methods{"GET": a.getPhone, "PATCH": a.changePhone, "DELETE": a.removePhone}, "one phone; change its script, switch it on or off; remove it"},
		{"/phones/{number}/scan", methods{"POST": a.scan}, "scan a pairing QR, as code or as picture"},
		{"/phones/{number}/code", methods{"POST": a.enterCode}, "enter the pairing code that a client shows"},
		{"/phones/{number}/passkey", methods{"GET": a.getPasskey, "PUT": a.setPasskey}, "whether pairings need the account's passkey; say so"},
		{"/phones/{number}/passkey/assertion", methods{"POST": a.assertPasskey}, "answer a passkey request, as a browser does"},
		{"/phones/{number}/messages", methods{"GET": a.listMessages, "POST": a.sendMessage}, "messages of the phone; send one"},
		{"/phones/{number}/messages/{id}/media", methods{"GET": a.messageMedia}, "the file in a message, decrypted"},
		{"/phones/{number}/messages/{id}/read", methods{"POST": a.readMessage}, "read a message: its sender gets the read receipt"},
		{"/phones/{number}/devices", methods{"GET": a.listDevices}, "devices linked to the phone"},
		{"/phones/{number}/devices/{jid}", methods{"DELETE": a.unlinkDevice}, "unlink a device, as a person does on the phone"},
		{"/phones/{number}/groups", methods{"GET": a.listPhoneGroups, "POST": a.createGroup}, "groups of the phone; make one"},
		{"/phones/{number}/groups/join", methods{"POST": a.joinGroup}, "follow an invite link"},
		{"/phones/{number}/groups/{jid}", methods{"PATCH": a.changeGroup, "DELETE": a.leaveGroup}, "change a group's settings; leave it"},
		{"/phones/{number}/groups/{jid}/members", methods{"POST": a.changeMembers}, "add, remove, promote or demote members"},
		{"/phones/{number}/groups/{jid}/requests", methods{"POST": a.decideRequests}, "let in who waits, or not"},
		{"/phones/{number}/groups/{jid}/link", methods{"GET": a.groupLink, "POST": a.newGroupLink}, "the invite link; a new one, revoking the old"},
		{"/groups", methods{"GET": a.listGroups}, "all groups"},
		{"/media", methods{"GET": a.listMedia}, "uploaded files"},
		{"/media/{id}", methods{"DELETE": a.expireMedia}, "take a file away: downloads get ?code=, 410 by default"},
		{"/faults", methods{"GET": a.listFaults, "POST": a.setFault, "DELETE": a.clearFaults}, "faults; set one; clear all"},
		{"/faults/{id}", methods{"DELETE": a.clearFault}, "clear a fault"},
		{"/actions/drop", methods{"POST": a.drop}, "cut live connections without a goodbye"},
		{"/actions/close", methods{"POST": a.closeConnections}, "close live connections in good order"},
		{"/actions/half-open", methods{"POST": a.halfOpen}, "leave live connections half open: nothing is read or sent any more"},
		{"/actions/restart", methods{"POST": a.restart}, "take the server away for a while, with or without what it knows"},
		{"/actions/stream-error", methods{"POST": a.streamError}, "send live connections a stream error"},
		{"/counters", methods{"GET": a.counters}, "what the server has seen"},
	}
}

// dispatch picks the action by method. The mux could do that as well, but would
// answer a wrong method in plain text.
func (a *api) dispatch(actions methods) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		do, ok := actions[method]
		if !ok {
			a.refuseMethod(w, r, sortedMethods(actions))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		status, body, err := do(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		a.answer(w, status, body)
	})
}

func sortedMethods(actions methods) []string {
	names := make([]string, 0, len(actions))
	for name := range actions {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (a *api) refuseMethod(w http.ResponseWriter, r *http.Request, allowed []string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	a.refuse(w, r, &problem{http.StatusMethodNotAllowed, "method_not_allowed", "expected " + strings.Join(allowed, " or "), ""})
}

func (a *api) answer(w http.ResponseWriter, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if file, ok := body.(fileBody); ok {
		a.answerFile(w, status, file)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	// Texts go to terminals, not into HTML pages: <3 should read <3.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		a.log.Debug("admin answer was not written", "err", err)
	}
}

// refuse answers with an error. What is not a problem of the caller is logged
// and not shown.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		a.log.Error("admin request failed", "op", r.Method+" "+r.Pattern, "err", err)
		p = &problem{http.StatusInternalServerError, "internal", "the sandbox failed; its log says why", ""}
	}
	a.answer(w, p.status, errorBody{errorDetail{p.code, p.message, p.field}})
}
