package supervision_test

import (
	"context"
	"testing"

	"wasup/httpapi/apitest"
	"wasup/httpapi/supervision"
	"wasup/internal/session"
)

func TestTheSupervisionTreeIsSeen(t *testing.T) {
	crashed := apitest.Plain("a", session.Errored, session.CauseQuarantined)
	crashed.Restarts = 5
	tree := []supervision.Node{
		{Status: crashed, InWindow: 6, LastCrash: &session.Crash{Where: "actor", Reason: "boom", Stack: "goroutine 1"}, LastCrashAt: apitest.Now, Quarantined: true},
		{Status: apitest.Plain("b", session.Ready, session.CauseConnected), Running: true},
	}
	seen := func() apitest.Scripted {
		f := apitest.Behind(tree[0].Status, tree[1].Status)
		f.Nodes = tree
		return f
	}
	apitest.RunRows(t, []apitest.Row{
		{What: "all", Method: "GET", Path: "/v1/supervision", Status: 200, Want: "v1/supervision", Behind: seen()},
		{What: "the quarantined", Method: "GET", Path: "/v1/supervision?quarantined=true", Status: 200, Want: "v1/supervision_quarantined", Behind: seen()},
		{What: "those that never crashed", Method: "GET", Path: "/v1/supervision?crashed=false", Status: 200, Want: "v1/supervision_sound", Behind: seen()},
		{What: "a filter that is none", Method: "GET", Path: "/v1/supervision?crashed=maybe", Status: 400, Want: "v1/supervision_bad", Behind: seen()},
		{What: "one with its stack", Method: "GET", Path: "/v1/supervision/a", Status: 200, Want: "v1/supervised", Behind: seen()},
		{What: "an unknown one", Method: "GET", Path: "/v1/supervision/nobody", Status: 404, Want: "v1/not_found", Behind: seen()},
		{What: "released", Method: "POST", Path: "/v1/supervision/a/release", Status: 200, Want: "v1/supervised", Behind: seen()},
		{What: "released without need", Method: "POST", Path: "/v1/supervision/b/release", Status: 200, Want: "v1/supervised_b", Behind: seen()},
		{What: "released while draining", Method: "POST", Path: "/v1/supervision/a/release", Status: 503, Want: "v1/shutting_down", Behind: func() apitest.Scripted {
			f := seen()
			f.Settle = func(context.Context, string, session.ID, session.Settings) (session.Status, error) {
				return session.Status{}, apitest.Failing(session.CodeShuttingDown)
			}
			return f
		}()},
	})
}
