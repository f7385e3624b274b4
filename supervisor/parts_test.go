package supervisor_test

import (
	"testing"

	"wasup/internal/testtools/parttest"
)

func TestASupervisorBootsAndStopsInAnyOrder(t *testing.T) {
	parttest.Stress(t, func(t *testing.T) parttest.Part {
		w := newWorld(t)
		w.stored("a")
		w.stored("b")
		return parttest.Part{Start: w.Boot, Stop: w.Stop}
	})
}
