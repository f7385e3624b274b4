package compat_test

import (
	"testing"

	"wasup/httpapi/apitest"
)

func TestMain(m *testing.M) { apitest.Main(m) }
