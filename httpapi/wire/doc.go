// Package wire has the JSON types of /v1 that several resources use: sessions, messages, problems. Types that only one
// resource uses are in its own package.
//
// The tags besides json define the OpenAPI document and the checks of requests. A field without a value is left out of
// the JSON.
package wire
