package admin

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"time"

	"wasup/internal/sandbox"
)

// maxScenarioFile bounds a scenario's file, in bytes.
const maxScenarioFile = 1 << 20

// scenarioRequest names a scenario of the library, or holds one.
type scenarioRequest struct {
	Name  string  `json:"name" doc:"of the library"`
	YAML  string  `json:"yaml" doc:"a scenario of one's own"`
	Speed float64 `json:"speed" doc:"how many times faster than written its time passes, up to 1000; 1 when left out"`
}

type scenarioBody struct {
	ID      string     `json:"id" doc:"to look at it and to stop it"`
	Name    string     `json:"name" doc:"of the scenario"`
	About   string     `json:"about" doc:"what it is about"`
	State   string     `json:"state" doc:"how far it is" values:"scenario_states"`
	Speed   float64    `json:"speed" doc:"how many times faster than written its time passes"`
	Began   time.Time  `json:"began" doc:"when it was started"`
	Ended   *time.Time `json:"ended,omitempty" doc:"when it was over"`
	Steps   int        `json:"steps" doc:"how many its file has"`
	Taken   int        `json:"taken" doc:"how many were taken, repeated ones and ends of faults counted each time"`
	Failed  int        `json:"failed" doc:"how many of these went wrong"`
	Elapsed string     `json:"elapsed" doc:"how far it is, in its own time"`
	Next    string     `json:"next,omitempty" doc:"when something happens again, in its own time"`
	Reports []stepBody `json:"reports" doc:"the latest steps, oldest first"`
}

type stepBody struct {
	At    string `json:"at" doc:"in the scenario's own time"`
	Line  int    `json:"line" doc:"of the file"`
	What  string `json:"what" doc:"what was done"`
	Error string `json:"error,omitempty" doc:"what went wrong"`
}

type scenariosBody struct {
	Scenarios []scenarioBody    `json:"scenarios" doc:"those that are played, and the latest that were, oldest first"`
	Library   []scenarioInStock `json:"library" doc:"those that come with the sandbox"`
}

type scenarioInStock struct {
	Name  string `json:"name" doc:"to start it by"`
	About string `json:"about" doc:"what it is about"`
}

func (a scenarioAPI) routes() []route {
	scenario := exampleScenario()
	return []route{
		{"/scenarios", "scenarios, weather by the clock; start one", operations{
			"GET": {do: a.listScenarios, id: "listScenarios", says: "List the scenarios that are played, those that were, and the library.", out: scenariosBody{[]scenarioBody{scenario}, []scenarioInStock{{scenario.Name, scenario.About}}}},
			"POST": {
				do: a.startScenario, id: "startScenario", query: []string{"speed"}, in: scenarioRequest{Name: scenario.Name, Speed: 2}, yaml: true, status: http.StatusCreated, out: scenario,
				says: "Start a scenario of the library or of one's own. A mistake in the file is told by line and field.",
			},
		}},
		{"/scenarios/{id}", "how far a scenario is; stop it", operations{
			"GET":    {do: a.getScenario, id: "getScenario", says: "Tell how far a scenario is.", out: scenario},
			"DELETE": {do: a.stopScenario, id: "stopScenario", says: "Stop a scenario. The answer comes once its last step is over and its timed faults are cleared.", out: scenario},
		}},
	}
}

func (a scenarioAPI) listScenarios(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	body := scenariosBody{Scenarios: []scenarioBody{}, Library: []scenarioInStock{}}
	for _, progress := range a.server.Scenarios() {
		body.Scenarios = append(body.Scenarios, scenarioJSON(progress))
	}
	for _, name := range sandbox.ScenarioNames() {
		scenario, err := sandbox.LibraryScenario(name)
		if err != nil {
			return 0, nil, err
		}
		body.Library = append(body.Library, scenarioInStock{name, scenario.About})
	}
	return http.StatusOK, body, nil
}

func (a scenarioAPI) startScenario(r *http.Request) (int, any, error) {
	scenario, speed, err := readScenario(r)
	if err != nil {
		return 0, nil, err
	}
	progress, err := a.server.StartScenario(scenario, speed)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusCreated, scenarioJSON(progress), nil
}

// readScenario takes a scenario from the body: a file as it is, or JSON.
func readScenario(r *http.Request) (scenario sandbox.Scenario, speed float64, err error) {
	values, err := query(r, "speed")
	if err != nil {
		return scenario, 0, err
	}
	speed = 1
	if text := values.Get("speed"); text != "" {
		if speed, err = strconv.ParseFloat(text, 64); err != nil {
			return scenario, 0, translate(sandbox.ErrBadSpeed)
		}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && media == "application/json":
		return scenarioFromJSON(r, speed)
	case err == nil && (media == "application/yaml" || media == "text/yaml" || media == "application/x-yaml"):
		raw, err := readBody(r, maxScenarioFile)
		if err != nil {
			return scenario, 0, err
		}
		scenario, err = parseScenario("body", raw)
		return scenario, speed, err
	}
	return scenario, 0, &problem{http.StatusUnsupportedMediaType, "unsupported_media_type", "expected Content-Type: application/yaml or application/json", ""}
}

func scenarioFromJSON(r *http.Request, speed float64) (scenario sandbox.Scenario, _ float64, err error) {
	var in scenarioRequest
	if err = readJSON(r, maxBody, &in); err != nil {
		return scenario, 0, err
	}
	if in.Speed != 0 {
		speed = in.Speed
	}
	switch {
	case (in.Name == "") == (in.YAML == ""):
		return scenario, 0, invalid("name", "expected either name (of a scenario of the library) or yaml (a scenario)")
	case in.YAML != "":
		scenario, err = parseScenario("yaml", []byte(in.YAML))
		return scenario, speed, err
	}
	if scenario, err = sandbox.LibraryScenario(in.Name); err != nil {
		return scenario, 0, &problem{http.StatusNotFound, "scenario_not_found", "there is no such scenario; GET " + Prefix + "/scenarios lists the library", "name"}
	}
	return scenario, speed, nil
}

// parseScenario tells mistakes by line and field; the text is the parser's own, which is about the file alone.
func parseScenario(field string, raw []byte) (sandbox.Scenario, error) {
	scenario, err := sandbox.ParseScenario(bytes.NewReader(raw), "of the admin API")
	if err != nil {
		return scenario, &problem{http.StatusBadRequest, "bad_scenario", err.Error(), field}
	}
	return scenario, nil
}

func (a scenarioAPI) getScenario(r *http.Request) (int, any, error) {
	if _, err := query(r); err != nil {
		return 0, nil, err
	}
	progress, err := a.server.Scenario(r.PathValue("id"))
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, scenarioJSON(progress), nil
}

func (a scenarioAPI) stopScenario(r *http.Request) (int, any, error) {
	progress, err := a.server.StopScenario(r.Context(), r.PathValue("id"))
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, scenarioJSON(progress), nil
}

func scenarioJSON(p sandbox.ScenarioProgress) scenarioBody {
	body := scenarioBody{
		ID: p.ID, Name: p.Name, About: p.About, State: string(p.State), Speed: p.Speed, Began: p.Began, Steps: p.Steps, Taken: p.Taken,
		Failed: p.Failed, Elapsed: p.Elapsed.Round(time.Millisecond).String(), Next: durationText(p.Next), Reports: []stepBody{},
	}
	if !p.Ended.IsZero() {
		body.Ended = &p.Ended
	}
	for _, report := range p.Reports {
		step := stepBody{At: report.At.String(), Line: report.Line, What: report.What}
		if report.Error != nil {
			step.Error = stepError(report.Error)
		}
		body.Reports = append(body.Reports, step)
	}
	return body
}

// stepError says what went wrong in the API's words; what it has none for is in the log.
func stepError(err error) string {
	if p, ok := translate(err).(*problem); ok { //nolint:errorlint // translate returns it bare
		return p.message
	}
	return "failed; the sandbox's log says why"
}
