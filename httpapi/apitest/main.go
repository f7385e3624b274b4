package apitest

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package and finds the goroutines that they leave behind.
func Main(m *testing.M) { goleak.VerifyTestMain(m, Lingering()...) }

// Lingering are the goroutines of fasthttp that no stop of a server ends.
func Lingering() []goleak.Option {
	return []goleak.Option{
		// The library's clock for Date headers: one goroutine per process, for ever.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// The library's worker pool: it sees that it was stopped when its sleep of at most 10 s ends.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}
