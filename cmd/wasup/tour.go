package main

import (
	"fmt"
	"io"
)

// printTour prints commands to try next, which can be pasted into a shell. linked means that the demo has already
// linked Ana's account to the first session.
func printTour(w io.Writer, api, admin string, linked bool) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }
	say("Try next, in another terminal:\n")
	say("  W=%s S=%s ANA=%s BRUNO=%s J='Content-Type: application/json'\n", api, admin, anaNumber, brunoNumber)
	if linked {
		say("  curl -s -H 'X-Cliente-Id: %s' $W/status                                   # session %[1]s is linked to Ana", demoClient)
	} else {
		say("  # create a session and get its QR; Ana's virtual phone scans the picture")
		say("  curl -s -H 'X-Cliente-Id: %s' $W/qr-code | curl -s -H \"$J\" -d @- $S/phones/$ANA/scan", demoClient)
		say("  curl -s -H 'X-Cliente-Id: %s' $W/qr-code                                  # answers once the session is READY", demoClient)
	}
	say("  curl -s -H 'X-Cliente-Id: %s' -H \"$J\" -d '{\"to\":\"'$BRUNO'\",\"message\":\"hola\"}' $W/send", demoClient)
	say("  curl -s -H \"$J\" -d '{\"to\":\"'$BRUNO'\",\"poll\":{\"question\":\"Lunch?\",\"options\":[\"yes\",\"no\"]}}' \"$W/v1/sessions/%s/messages?wait=delivered\"", demoClient)
	say("  curl -s $S/phones/$BRUNO/messages                                        # what Bruno decrypted and read")
	say("  curl -s -H \"$J\" -d '{}' $S/actions/drop                                      # cut all connections ...")
	say("  until curl -s -H 'X-Cliente-Id: %s' $W/status | grep READY; do sleep 1; done   # ... and see the session reconnect", demoClient)
	say("  curl -s -H 'X-Cliente-Id: 52' $W/qr-code | curl -s -H \"$J\" -d @- $S/phones/$BRUNO/scan   # link a second session")
	say("  curl -s $W/metrics | grep ^wasup_\n")
	say("Ctrl-C stops it.")
}
