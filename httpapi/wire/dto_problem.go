package wire

// Problem is the body of an error (RFC 9457).
type Problem struct {
	Type    string       `json:"type" doc:"urn:wasup:error: followed by the code."`
	Title   string       `json:"title" doc:"The status in words."`
	Status  int          `json:"status"`
	Detail  string       `json:"detail,omitempty" doc:"One sentence for people."`
	Code    string       `json:"code" doc:"Stable and machine-readable: docs/api.md lists them all."`
	Field   string       `json:"field,omitempty" doc:"With invalid_request: the first field, parameter or header that is wrong."`
	Errors  []FieldError `json:"errors,omitempty" doc:"With invalid_request: every field, parameter or header that is wrong."`
	Outcome Outcome      `json:"outcome,omitempty" doc:"How the wait for a code ended."`
	State   State        `json:"state,omitempty"`
	Cause   Cause        `json:"cause,omitempty"`
	Message *Message     `json:"message,omitempty" doc:"The message that was accepted and failed."`
}

// FieldError describes the error of one field, parameter or header.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}
