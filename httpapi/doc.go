// Package httpapi is the HTTP face of wasup. It listens, guards and mounts: it owns the one middleware, what a request may
// cost, and the table of routes.
//
// What is served lies below, a package for each resource: compat has the compatibility routes, whose JSON is a contract;
// the others are /v1, whose routes, checks and OpenAPI document all come from their operations. Resources are made with
// package rest, and know neither each other nor the server. A new one is a folder and a line in mount.go.
//
// A handler parses, calls one of the interfaces that its resource declares once, and renders. These packages may import
// Fiber and the vocabulary of package session; they may not know actors, the store, WhatsApp or the configuration, and they
// start no session by themselves. Public JSON lives in dto files only and is pinned by the literals in testdata.
//
// Cross-origin requests are off: no CORS header is ever sent, so a browser page of another origin cannot call these
// routes. Serve the frontend and wasup from one origin, behind a proxy.
//
// A request that waits does not notice that its caller has left: fasthttp, under Fiber, does not read a connection
// while its handler runs. Such a wait ends by itself, at its deadline at the latest, and its answer goes nowhere.
package httpapi
