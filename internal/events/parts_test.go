package events_test

import (
	"testing"

	"wasup/internal/events"
	"wasup/internal/testtools/parttest"
)

func TestThePartsOfTheLogStartAndStopInAnyOrder(t *testing.T) {
	st := openStore(t)
	following := openLog(t, st, events.Options{})
	for name, make := range map[string]func(*testing.T) parttest.Part{
		"log": func(*testing.T) parttest.Part {
			l := events.NewLog(st.Events(), events.Options{})
			return parttest.Part{Start: l.Start, Stop: l.Stop}
		},
		"feed": func(*testing.T) parttest.Part {
			f := events.NewFeed(following, describe, nil)
			return parttest.Part{Start: f.Start, Stop: f.Stop}
		},
		"retention": func(*testing.T) parttest.Part {
			r := events.NewRetention(following, events.Keep{}, nil)
			return parttest.Part{Start: r.Start, Stop: r.Stop}
		},
	} {
		t.Run(name, func(t *testing.T) { parttest.Stress(t, make) })
	}
}
