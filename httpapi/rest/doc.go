// Package rest is what the resources of /v1 are made with: the operation, a row that gives the route, the checks and the
// OpenAPI document; the call, a request that passed the checks; problems, pages, formats; and the host, which is what
// the server lends to every resource.
//
// It knows no resource and not the server. Huma gives the document, the schemas and the checks against them. Its router
// is left out: it writes its own errors, buffers what it streams, and knows neither drains nor the typed outcomes of a wait.
package rest
