package apitest

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package, and fails if they leave goroutines behind.
func Main(m *testing.M) { goleak.VerifyTestMain(m, Lingering()...) }

// Lingering lists the goroutines of fasthttp that no stop of a server ends.
func Lingering() []goleak.Option {
	return []goleak.Option{
		// fasthttp's clock for Date headers is one goroutine per process, which never ends.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// fasthttp's worker pool sleeps up to 10 s before it sees that it was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}
