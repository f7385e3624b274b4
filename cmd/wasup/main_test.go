package main

import (
	"fmt"
	"os"
	"testing"

	"wasup/internal/app/apptest"
)

func TestMain(m *testing.M) {
	if os.Getenv(apptest.ChildMark) != "" {
		os.Unsetenv(apptest.ChildMark)
		main()
		return
	}
	code := m.Run()
	if leaked := apptest.Leaks(); code == 0 && leaked != nil {
		fmt.Fprintln(os.Stderr, leaked)
		code = 1
	}
	os.Exit(code)
}
