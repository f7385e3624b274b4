package admin

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"time"

	"wasup/internal/sandbox"
)

// maxScenarioFile bounds a scenario file, in bytes.
const maxScenarioFile = 1 << 20

// scenarioRequest names a scenario of the library, or contains a scenario file.
type scenarioRequest struct {
	Name  string  `json:"name" doc:"a scenario of the library"`
	YAML  string  `json:"yaml" doc:"a scenario file of your own"`
	Speed float64 `json:"speed" doc:"the factor by which its clock runs faster, up to 1000; 1 when omitted"`
}

type scenarioBody struct {
	ID      string     `json:"id" doc:"identifies it in /scenarios/{id}"`
	Name    string     `json:"name" doc:"of the scenario"`
	About   string     `json:"about" doc:"a short description"`
	State   string     `json:"state" doc:"running, done or stopped" values:"scenario_states"`
	Speed   float64    `json:"speed" doc:"the factor by which its clock runs faster"`
	Began   time.Time  `json:"began" doc:"the start"`
	Ended   *time.Time `json:"ended,omitempty" doc:"the end; omitted while it runs"`
	Steps   int        `json:"steps" doc:"number of steps in the file"`
	Taken   int        `json:"taken" doc:"number of steps done; repetitions and the ends of timed faults count"`
	Failed  int        `json:"failed" doc:"number of steps that failed"`
	Elapsed string     `json:"elapsed" doc:"time since the start, on the scenario's clock"`
	Next    string     `json:"next,omitempty" doc:"time of the next step, on the scenario's clock"`
	Reports []stepBody `json:"reports" doc:"the latest steps, oldest first"`
}

type stepBody struct {
	At    string `json:"at" doc:"time on the scenario's clock"`
	Line  int    `json:"line" doc:"line in the file"`
	What  string `json:"what" doc:"what the step did"`
	Error string `json:"error,omitempty" doc:"why the step failed"`
}

type scenariosBody struct {
	Scenarios []scenarioBody    `json:"scenarios" doc:"running and recent scenarios, oldest first"`
	Library   []scenarioInStock `json:"library" doc:"the scenarios that come with the sandbox"`
}

type scenarioInStock struct {
	Name  string `json:"name" doc:"the name to start it with"`
	About string `json:"about" doc:"a short description"`
}

func (a scenarioAPI) routes() []route {
	scenario := exampleScenario()
	return []route{
		{"/scenarios", operations{
			"GET": {do: a.listScenarios, id: "listScenarios", summary: "List scenarios", detail: "Lists running and recent scenarios, and the library.", out: scenariosBody{[]scenarioBody{scenario}, []scenarioInStock{{scenario.Name, scenario.About}}}},
			"POST": {
				do: a.startScenario, id: "startScenario", query: []string{"speed"}, in: scenarioRequest{Name: scenario.Name, Speed: 2}, yaml: true, status: http.StatusCreated, out: scenario,
				summary: "Start a scenario",
				detail:  "From the library or a file of your own. An error in the file names its line and field.",
			},
		}},
		{"/scenarios/{id}", operations{
			"GET":    {do: a.getScenario, id: "getScenario", summary: "Get a scenario's progress", out: scenario},
			"DELETE": {do: a.stopScenario, id: "stopScenario", summary: "Stop a scenario", detail: "The answer comes once its last step has ended and its timed faults are cleared.", out: scenario},
		}},
	}
}

func (a scenarioAPI) listScenarios(r *http.Request) (int, any, error) {
	body := scenariosBody{Scenarios: []scenarioBody{}, Library: []scenarioInStock{}}
	for _, progress := range a.server.Scenarios().List() {
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
	progress, err := a.server.Scenarios().Start(scenario, speed)
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusCreated, scenarioJSON(progress), nil
}

// readScenario reads a scenario from the body, which is a YAML file or JSON.
func readScenario(r *http.Request) (scenario sandbox.Scenario, speed float64, err error) {
	speed = 1
	if text := r.URL.Query().Get("speed"); text != "" {
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

// parseScenario parses a scenario file. Its errors name line and field. They show the parser's own text, which is
// about the file alone.
func parseScenario(field string, raw []byte) (sandbox.Scenario, error) {
	scenario, err := sandbox.ParseScenario(bytes.NewReader(raw), "of the admin API")
	if err != nil {
		return scenario, &problem{http.StatusBadRequest, "bad_scenario", err.Error(), field}
	}
	return scenario, nil
}

func (a scenarioAPI) getScenario(r *http.Request) (int, any, error) {
	progress, err := a.server.Scenarios().Get(r.PathValue("id"))
	if err != nil {
		return 0, nil, translate(err)
	}
	return http.StatusOK, scenarioJSON(progress), nil
}

func (a scenarioAPI) stopScenario(r *http.Request) (int, any, error) {
	progress, err := a.server.Scenarios().Stop(r.Context(), r.PathValue("id"))
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

// stepError returns the API's text for the error of a step. An error without one is only in the log.
func stepError(err error) string {
	if p, ok := translate(err).(*problem); ok { //nolint:errorlint // translate returns it bare
		return p.message
	}
	return "failed; the sandbox's log says why"
}
