// Package wire is the JSON of /v1 that several resources write: sessions, messages, problems. What one resource alone reads
// or writes lies with it.
//
// Tags beside json are what the OpenAPI document says and what requests are checked against. A field without a value is
// left out.
package wire
