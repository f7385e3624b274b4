package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"wasup/internal/sandbox"
)

// untilScenario polls a scenario until wanted returns true.
func (f *fixture) untilScenario(id string, wanted func(scenarioBody) bool) scenarioBody {
	f.t.Helper()
	events, stop := f.server.Subscribe()
	defer stop()
	timeout := time.After(patience)
	for {
		var body scenarioBody
		got := f.get("/scenarios/" + id)
		must(f.t, json.Unmarshal([]byte(got.body), &body))
		if wanted(body) {
			return body
		}
		select {
		case <-events:
		case <-timeout:
			f.t.Fatalf("the scenario is %s", got.body)
		}
	}
}

func TestAScenarioIsStartedWatchedAndStopped(t *testing.T) {
	f := newFixture(t)
	yaml := `name: tuesday
about: A day like any other.
phones:
  - {number: "4915112345678", name: Ada, script: echo}
  - {number: "4915112345679", name: Bea}
steps:
  - send: {from: "4915112345678", to: "4915112345679", text: hello}
  - fault: {kind: no_pong, for: 10m}
  - send: {from: "4915100000000", to: "4915112345679", text: from nobody}
  - at: 1h
    drop: {}
`
	started := f.send("POST", "/scenarios", "application/yaml", yaml)
	if started.status != 201 || !strings.HasPrefix(started.body, `{"id":"1","name":"tuesday","about":"A day like any other.","state":"running","speed":1,"began":"`) {
		t.Fatalf("%d %s", started.status, started.body)
	}
	now := f.untilScenario("1", func(s scenarioBody) bool { return s.Next == "10m0s" })
	if now.State != "running" || now.Steps != 4 || now.Taken != 3 || now.Failed != 1 || now.Ended != nil {
		t.Errorf("%+v", now)
	}
	if want := (stepBody{At: "0s", Line: 9, What: "send", Error: "there is no such phone; POST /sandbox/v1/phones adds one"}); now.Reports[2] != want {
		t.Errorf("%+v", now.Reports)
	}
	if len(f.server.Faults()) != 1 {
		t.Error("the fault is not set")
	}
	stopped := f.send("DELETE", "/scenarios/1", "", "")
	if stopped.status != 200 || !strings.Contains(stopped.body, `"state":"stopped"`) || !strings.Contains(stopped.body, `"ended":"`) {
		t.Errorf("%d %s", stopped.status, stopped.body)
	}
	if faults := f.server.Faults(); len(faults) != 0 {
		t.Errorf("faults with an end are still set: %+v", faults)
	}
	if again := f.send("DELETE", "/scenarios/1", "", ""); again.status != 200 || !strings.Contains(again.body, `"state":"stopped"`) {
		t.Errorf("%d %s", again.status, again.body)
	}
}

func TestAScenarioOfTheLibraryRunsToItsEnd(t *testing.T) {
	f := newFixture(t)
	if got := f.post("/scenarios", `{"name":"outage","speed":1000}`); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	over := f.untilScenario("1", func(s scenarioBody) bool { return s.State == "done" })
	if over.Taken != 2 || over.Failed != 0 || over.Next != "" || over.Reports[1].What != "server restarted" {
		t.Errorf("%+v", over)
	}
	listed := f.get("/scenarios")
	for _, part := range []string{`{"scenarios":[{"id":"1","name":"outage"`, `"library":[{"name":"ban-wave","about":"`, `{"name":"outage","about":"The server is away for five seconds, twice."}`} {
		if !strings.Contains(listed.body, part) {
			t.Errorf("%s is missing in %s", part, listed.body)
		}
	}
}

func TestScenariosThatCannotBePlayedAreRefused(t *testing.T) {
	f := newFixture(t)
	bad := func(contentType, body string, status int, code, message, field string) {
		t.Helper()
		detail := errorDetail{code, message, field}
		raw, err := json.Marshal(errorBody{detail})
		must(t, err)
		f.send("POST", "/scenarios", contentType, body).is(t, status, string(raw))
	}
	bad("application/yaml", "steps:\n  - at: noon\n    drop: {}\n", 400, "bad_scenario", `scenario of the admin API: line 2: at: expected a duration such as 500ms, 10s or 2m, found "noon"`, "body")
	bad("application/yaml", "", 400, "bad_scenario", "scenario of the admin API: is empty: expected steps", "body")
	bad("application/json", `{"yaml":"steps: 7"}`, 400, "bad_scenario", "scenario of the admin API: line 1: steps: expected a list, found int", "yaml")
	bad("application/json", `{"name":"sunshine"}`, 404, "scenario_not_found", "there is no such scenario; GET /sandbox/v1/scenarios lists the library", "name")
	bad("application/json", `{}`, 400, "invalid", "expected either name (of a scenario of the library) or yaml (a scenario)", "name")
	bad("application/json", `{"name":"outage","speed":-1}`, 400, "invalid", "expected more than 0, at most 1000", "speed")
	bad("text/plain", "steps: []", 415, "unsupported_media_type", "expected Content-Type: application/yaml or application/json", "")
	f.send("POST", "/scenarios?speed=fast", "application/yaml", "steps:\n  - drop: {}\n").
		is(t, 400, `{"error":{"code":"invalid","message":"expected more than 0, at most 1000","field":"speed"}}`)
	f.get("/scenarios/7").is(t, 404, `{"error":{"code":"scenario_not_found","message":"no such scenario is or was played","field":"id"}}`)
	f.send("DELETE", "/scenarios/7", "", "").is(t, 404, `{"error":{"code":"scenario_not_found","message":"no such scenario is or was played","field":"id"}}`)

	for range 8 {
		if got := f.post("/scenarios", `{"yaml":"steps:\n  - at: 1h\n    drop: {}\n"}`); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	bad("application/json", `{"name":"outage"}`, 409, "too_many_scenarios", "eight scenarios are played already; stop one", "")
	// Ended scenarios make room for new ones, also in the list of remembered ones.
	for i := range 30 {
		if _, err := f.server.Scenarios().Stop(t.Context(), f.server.Scenarios().List()[0].ID); err != nil && i < 8 {
			t.Fatal(err)
		}
		_, _ = f.server.Scenarios().Stop(t.Context(), f.server.Scenarios().List()[len(f.server.Scenarios().List())-1].ID)
		if got := f.post("/scenarios", `{"yaml":"steps:\n  - at: 1h\n    drop: {}\n"}`); got.status != 201 {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	if list := f.server.Scenarios().List(); len(list) > 24 {
		t.Errorf("%d scenarios are remembered", len(list))
	}
}

func TestTheServerEndsItsScenariosWithItself(t *testing.T) {
	server, err := sandbox.New(sandbox.Config{Authority: authority})
	must(t, err)
	must(t, server.Start())
	scenario, err := sandbox.ParseScenario(strings.NewReader("steps:\n  - at: 1h\n    drop: {}\n"), "long")
	must(t, err)
	_, err = server.Scenarios().Start(scenario, 1)
	must(t, err)
	must(t, server.Close(t.Context()))
	if state := server.Scenarios().List()[0].State; state != sandbox.ScenarioStopped {
		t.Errorf("it is %s", state)
	}
	if _, err = server.Scenarios().Start(scenario, 1); err == nil {
		t.Error("a closed server plays")
	}
}
