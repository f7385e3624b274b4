package masking_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"wasup/internal/whatsapp/masking"
)

func TestACrashFitsOneLine(t *testing.T) {
	line := masking.CrashLine("effect", "index 5491100000000 of\n"+strings.Repeat("x", 1000))
	if line != "effect: index … of" {
		t.Errorf("got %q", line)
	}
	if line = masking.CrashLine("effect", strings.Repeat("ä ", 1000)); len(line) > 250 {
		t.Errorf("%d bytes", len(line))
	}
}

func TestAnErrorKeepsItsCause(t *testing.T) {
	cause := fmt.Errorf("no LID found for %s from server", "5491100000000@s.whatsapp.net")
	err := masking.Error{Err: cause}
	if !errors.Is(err, cause) || err.Error() != "no LID found for …@s.whatsapp.net from server" {
		t.Errorf("%v", err)
	}
}
