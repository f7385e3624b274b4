package app

import (
	"fmt"
	"strings"
	"testing"
)

func TestPhoneNumbersAreLookedUpAtAPaceAndRemembered(t *testing.T) {
	h := newHouse(t)
	h.linked(1)
	numbers := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`"34699%06d"`, from+i))
		}
		return `{"phones":[` + strings.Join(list, ",") + `]}`
	}
	for _, from := range []int{0, 100, 0, 100} { // the second time the answers are cached
		h.v1("POST", "/1/contacts/check", numbers(from, 100)).Is(200)
	}
	h.v1("POST", "/1/contacts/check", numbers(1000, 100)).Is(429).With("code", "rate_limited")
	h.v1("POST", "/1/stop", "").Is(200)
	h.v1("POST", "/1/contacts/check", numbers(0, 100)).Is(200)
	if unknown := h.server.Counters().UnknownQueries; len(unknown) != 0 {
		t.Errorf("the sandbox does not know %v", unknown)
	}
}
