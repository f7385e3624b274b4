// Package admin is the JSON admin API of a sandbox server. With it a person, or a
// test in any language, creates phones, scans QR codes, sends and reads messages
// and sets faults. The page of virtual phones at / uses the same API.
//
// The package owns the routes under /sandbox/v1, their JSON, their errors, the
// OpenAPI document and the page. It keeps no state and may not listen: the caller
// serves the handler. The API has no authentication, so it must be on loopback.
package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"wasup/internal/access"
	"wasup/internal/sandbox"
)

// Prefix is the path prefix of all routes.
const Prefix = "/sandbox/v1"

// api is the handler's context: the server that it controls, and the log of
// internal failures.
type api struct {
	server *sandbox.Server
	log    *slog.Logger
}

// New returns the handler of the API and the page. Answers are JSON, errors are
// {"error":{"code","message","field"}}. With a nil logger nothing is logged. The handler answers to the names of this
// machine's loopback and to the given hosts.
func New(server *sandbox.Server, log *slog.Logger, hosts ...string) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &api{server: server, log: log}
	mux := http.NewServeMux()
	for _, route := range a.routes() {
		mux.Handle(Prefix+route.path, a.dispatch(route.operations))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if a.page(w, r) {
			return
		}
		a.refuse(w, r, &problem{http.StatusNotFound, "not_found", "no such route; GET " + Prefix + "/ lists them", ""})
	})
	return a.admit(access.New(access.Options{Hosts: hosts}), mux)
}

// admit refuses requests that name a foreign host or come from a page of another
// origin: such a page in a browser on this machine can reach loopback too.
func (a *api) admit(policy *access.Policy, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		switch policy.Check(&access.Request{
			Method: r.Method, Host: r.Host, Origin: r.Header.Get("Origin"), Page: r.URL.Path == "/",
			Site: r.Header.Get("Sec-Fetch-Site"), Mode: r.Header.Get("Sec-Fetch-Mode"), Dest: r.Header.Get("Sec-Fetch-Dest"),
		}) {
		case access.WrongHost:
			a.refuse(w, r, &problem{http.StatusMisdirectedRequest, "wrong_host", "expected localhost, or the address that the sandbox listens on", ""})
		case access.OtherPage:
			a.refuse(w, r, &problem{http.StatusForbidden, "cross_origin", "web pages of other origins have no access", ""})
		case access.Allowed:
			next.ServeHTTP(w, r)
		}
	})
}

// dispatch selects the operation by method. The mux could do the same, but would
// answer a wrong method in plain text.
func (a *api) dispatch(methods operations) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		operation, ok := methods[method]
		if !ok {
			a.refuseMethod(w, r, sortedMethods(methods))
			return
		}
		if err := operation.checkQuery(r); err != nil {
			a.refuse(w, r, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if operation.stream != nil {
			operation.stream(w, r)
			return
		}
		status, body, err := operation.do(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		a.answer(w, status, body)
	})
}

func sortedMethods(methods operations) []string {
	names := make([]string, 0, len(methods))
	for name := range methods {
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
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	// Readers see the JSON in a terminal, not in HTML: <3 must not become \u003c3.
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(body); err != nil {
		a.log.Error("an admin answer could not be encoded", "err", err)
		status = http.StatusInternalServerError
		text.Reset()
		_ = encoder.Encode(failed)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if _, err := w.Write(text.Bytes()); err != nil {
		a.log.Debug("could not write an admin answer", "err", err)
	}
}

// failed is the answer to a request that failed inside.
var failed = errorBody{errorDetail{"internal", "the sandbox failed; its log says why", ""}}

// refuse answers with an error. An error that is not a problem is logged, and the
// caller gets a 500 without its text.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var p *problem
	if !errors.As(err, &p) {
		a.log.Error("admin request failed", "op", r.Method+" "+r.Pattern, "err", err)
		a.answer(w, http.StatusInternalServerError, failed)
		return
	}
	a.answer(w, p.status, errorBody{errorDetail{p.code, p.message, p.field}})
}
