package rest

import (
	"encoding/json"
	"strings"
	"testing"
)

// wellFormed refuses JSON that Go accepts only if a name comes twice or it is nested too deep, and always with a reason.
func FuzzWellFormed(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"a":{"a":1},"b":[{"a":1},{"a":2}]}`, `{"a":1,"a":2}`, `[`, `{"a"`, `{} {}`, `{"a":1}x`, `"\ud800"`, `1e999`, `[[[[]]]]`, `nul`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			return
		}
		err := wellFormed(body)
		if err == nil || !json.Valid(body) {
			return
		}
		if p := ProblemOf(err); p.Status != 400 || (!strings.Contains(p.Detail, "once") && !strings.Contains(p.Detail, "nested")) {
			t.Errorf("%q is refused: %v", body, err)
		}
	})
}
