package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"wasup/internal/app/apptest"

	"wasup/internal/soak"
)

func TestASoakThatIsStoppedSaysSoAndLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	if code := run(ctx, []string{"soak"}, nil, &out, &errs); code != exitFailed || !strings.HasSuffix(errs.String(), "wasup: stopped before the end: nothing was compared\n") || out.Len() != 0 {
		t.Errorf("ended with %d, printed %q and complained %q", code, out.String(), errs.String())
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}

// TestNothingIsLostOrDoubledAcrossTwentyKills is the short form of `make soak`.
func TestNothingIsLostOrDoubledAcrossTwentyKills(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := &apptest.Record{}
	cfg := soak.Config{
		Command: []string{self}, Env: []string{apptest.ChildMark + "=1"}, Dir: t.TempDir(), Out: t.Output(), Log: log,
		Sessions: 5, Messages: 60, Rate: 40, Kills: 20, Between: time.Second, Faults: true, Settle: apptest.Patience,
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "WASUP_") {
			cfg.Env = append(cfg.Env, v)
		}
	}
	report, err := soak.Run(t.Context(), cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, log.Tail(40))
	}
	var table strings.Builder
	if err := report.Write(&table); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	if !report.Good() || report.Kills != 20 || report.Outgoing.Asked < 300 || report.Incoming.Asked < 300 {
		t.Errorf("the soak found something, or did too little:\n%s", log.Tail(40))
	}
}
