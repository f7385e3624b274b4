// Package httpapi is the HTTP server of wasup. It listens, guards and mounts: it owns the middleware, the limits of a
// request, and the table of routes.
//
// Each resource is a package below this one. Package compat has the compatibility routes, whose JSON is a contract. The
// others are /v1: their routes, checks and OpenAPI document all come from their operations. Resources are built with
// package rest. They know neither each other nor the server. A new resource is a folder and a line in mount.go.
//
// A handler parses the request, calls one interface that its resource declares, and renders the answer. These packages
// may import Fiber and package session. They may not know actors, the store, WhatsApp or the configuration. They start
// no session by themselves. Public JSON lives in dto files only and is pinned by the literals in testdata.
//
// No CORS header is ever sent, so a browser page of another origin cannot read answers. Serve the frontend and wasup
// from one origin, behind a proxy.
//
// A request that waits does not notice that its caller has disconnected, because fasthttp, under Fiber, does not read a
// connection while its handler runs. The wait still runs to its end, at the deadline at the latest.
package httpapi
