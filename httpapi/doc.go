// Package httpapi is the HTTP face of wasup: it owns the routes, what a request may look like, what each answer looks
// like and which status it has, and the drawing of pairing codes as PNG images.
//
// There are two faces: the compatibility routes (routes.go and what it names), whose JSON is a contract, and /v1, whose
// routes, checks and OpenAPI document all come from the operations in v1_operations.go.
//
// A handler parses, calls one of the interfaces in deps.go once, and renders. The package may import Fiber and the
// vocabulary of package session; it may not know actors, the store, WhatsApp or the configuration, and it starts no
// session by itself. Public JSON lives in the dto_*.go files only and is pinned by the literals in testdata.
//
// Cross-origin requests are off: no CORS header is ever sent, so a browser page of another origin cannot call these
// routes. Serve the frontend and wasup from one origin, behind a proxy.
//
// A request that waits does not notice that its caller has left: fasthttp, under Fiber, does not read a connection
// while its handler runs. Such a wait ends by itself, at its deadline at the latest, and its answer goes nowhere.
package httpapi
