// Package rest has the building blocks of the resources of /v1. An Operation is a row from which the route, the checks
// and the OpenAPI document are made. A Call is a request that passed the checks. A Host is what the server gives to
// every resource. The package also has problems, pages and formats.
//
// It knows neither the resources nor the server. Huma makes the document and the schemas, and checks against them.
// Huma's router is not used, because it writes its own errors, buffers streams, and supports neither drains nor the
// typed outcomes of a wait.
package rest
