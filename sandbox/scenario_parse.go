package sandbox

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// library are the scenarios that come with the sandbox.
//
//go:embed scenarios
var library embed.FS

// maxScenario bounds a scenario's file and its steps.
const (
	maxScenario = 1 << 20 // bytes
	maxSteps    = 10_000
)

// ScenarioNames lists the scenarios that come with the sandbox.
func ScenarioNames() []string {
	entries, err := library.ReadDir("scenarios")
	if err != nil { // embedded: it is there
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())))
	}
	return names
}

// LibraryScenario is one of ScenarioNames.
func LibraryScenario(name string) (Scenario, error) {
	file, err := library.Open("scenarios/" + name + ".yaml")
	if err != nil {
		return Scenario{}, fmt.Errorf("no scenario %q: expected a file or one of %s", name, strings.Join(ScenarioNames(), ", "))
	}
	defer func() { _ = file.Close() }() // embedded: closing cannot fail
	return ParseScenario(file, name)
}

// ParseScenario reads a scenario. name stands in errors, which carry the line and the field. docs/sandbox.md describes
// the format.
func ParseScenario(r io.Reader, name string) (Scenario, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario %s: %w", name, err)
	}
	if len(raw) > maxScenario {
		return Scenario{}, fmt.Errorf("scenario %s: expected at most %d bytes", name, maxScenario)
	}
	var file scenarioFile
	decoder := yaml.NewDecoder(strings.NewReader(string(raw)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("is empty: expected steps")
		}
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	sc, err := file.scenario(name)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	return sc, nil
}

// The file's shape.
type scenarioFile struct {
	Name   string      `yaml:"name"`
	About  string      `yaml:"about"`
	Phones []phoneFile `yaml:"phones"`
	Steps  []yaml.Node `yaml:"steps"`
}

type phoneFile struct {
	Number string `yaml:"number"`
	Name   string `yaml:"name"`
	Script string `yaml:"script"`
}

type stepFile struct {
	At    length `yaml:"at"`
	Every length `yaml:"every"`
	Times int    `yaml:"times"`

	Fault       *faultFile       `yaml:"fault"`
	Drop        *selectFile      `yaml:"drop"`
	Close       *selectFile      `yaml:"close"`
	HalfOpen    *selectFile      `yaml:"half_open"`
	StreamError *streamErrorFile `yaml:"stream_error"`
	Restart     *restartFile     `yaml:"restart"`
	Send        *sendFile        `yaml:"send"`
	Clear       bool             `yaml:"clear"`
}

type selectFile struct {
	Account string `yaml:"account"`
	Device  string `yaml:"device"`
}

type faultFile struct {
	selectFile `yaml:",inline"`

	Kind     string `yaml:"kind"`
	Count    int    `yaml:"count"`
	Delay    length `yaml:"delay"`
	For      length `yaml:"for"`
	Code     int    `yaml:"code"`
	Expire   length `yaml:"expire"`
	BanCode  int    `yaml:"ban_code"`
	KeepOpen bool   `yaml:"keep_open"`
}

type streamErrorFile struct {
	selectFile `yaml:",inline"`

	Code     int    `yaml:"code"`
	Conflict string `yaml:"conflict"`
	KeepOpen bool   `yaml:"keep_open"`
}

type restartFile struct {
	Down   length `yaml:"down"`
	Forget bool   `yaml:"forget"`
}

type sendFile struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
	Text string `yaml:"text"`
}

// length is a duration as people write it: 1.5s, 2m.
type length time.Duration

// UnmarshalYAML accepts what time.ParseDuration does, not negative.
func (l *length) UnmarshalYAML(node *yaml.Node) error {
	d, err := time.ParseDuration(node.Value)
	if err != nil || d < 0 {
		return fmt.Errorf("line %d: %q is no duration: expected one such as 500ms, 10s or 2m", node.Line, node.Value)
	}
	*l = length(d)
	return nil
}

func (f scenarioFile) scenario(name string) (Scenario, error) {
	sc := Scenario{Name: f.Name, About: f.About}
	if sc.Name == "" {
		sc.Name = name
	}
	for _, p := range f.Phones {
		if !validNumber(p.Number) {
			return Scenario{}, fmt.Errorf("phones: number %q: expected digits with country code, in quotes", p.Number)
		}
		sc.Phones = append(sc.Phones, PhoneConfig{Number: p.Number, Name: p.Name, Script: Script(p.Script)})
	}
	if len(f.Steps) == 0 || len(f.Steps) > maxSteps {
		return Scenario{}, fmt.Errorf("steps: expected 1 to %d", maxSteps)
	}
	for i := range f.Steps {
		step, err := readStep(&f.Steps[i])
		if err != nil {
			return Scenario{}, err
		}
		sc.Steps = append(sc.Steps, step)
	}
	return sc, nil
}

// readStep decodes one step on its own, so that every complaint can name its line.
func readStep(node *yaml.Node) (Step, error) {
	raw, err := yaml.Marshal(node)
	if err != nil {
		return Step{}, fmt.Errorf("line %d: %w", node.Line, err)
	}
	var in stepFile
	decoder := yaml.NewDecoder(strings.NewReader(string(raw)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&in); err != nil {
		return Step{}, fmt.Errorf("line %d: step: %w", node.Line, err)
	}
	step := in.step()
	step.Line = node.Line
	if err := step.check(); err != nil {
		return Step{}, fmt.Errorf("line %d: step: %w", node.Line, err)
	}
	return step, nil
}

func (in stepFile) step() Step {
	step := Step{At: time.Duration(in.At), Every: time.Duration(in.Every), Times: in.Times, Clear: in.Clear}
	pick := func(s *selectFile) *Select {
		if s == nil {
			return nil
		}
		return &Select{Account: s.Account, Device: s.Device}
	}
	step.Drop, step.Close, step.HalfOpen = pick(in.Drop), pick(in.Close), pick(in.HalfOpen)
	if f := in.Fault; f != nil {
		step.For = time.Duration(f.For)
		step.Fault = &Fault{
			Kind: FaultKind(f.Kind), Account: f.Account, Device: f.Device, Count: f.Count, Delay: time.Duration(f.Delay),
			Code: f.Code, Expire: time.Duration(f.Expire), BanCode: f.BanCode, KeepOpen: f.KeepOpen,
		}
	}
	if e := in.StreamError; e != nil {
		step.StreamError = &StreamErrorStep{Select: *pick(&e.selectFile), Code: e.Code, Conflict: e.Conflict, KeepOpen: e.KeepOpen}
	}
	if r := in.Restart; r != nil {
		step.Restart = &RestartStep{Down: time.Duration(r.Down), Forget: r.Forget}
	}
	if m := in.Send; m != nil {
		step.Send = &SendStep{From: m.From, To: m.To, Text: m.Text}
	}
	return step
}

func (step Step) check() error {
	actions := 0
	for _, set := range []bool{
		step.Fault != nil, step.Drop != nil, step.Close != nil, step.HalfOpen != nil, step.StreamError != nil,
		step.Restart != nil, step.Send != nil, step.Clear,
	} {
		if set {
			actions++
		}
	}
	switch {
	case actions != 1:
		return fmt.Errorf("expected exactly one of fault, drop, close, half_open, stream_error, restart, send, clear; found %d (write `drop: {}` for every connection)", actions)
	case step.Times < 0:
		return errors.New("times: expected 0 or more")
	case step.Times > 1 && step.Every == 0:
		return errors.New("every: expected a duration where times is given")
	case step.Send != nil && (step.Send.From == "" || step.Send.To == "" || step.Send.Text == ""):
		return errors.New("send: expected from, to and text")
	case step.StreamError != nil && step.StreamError.Code == 0 && step.StreamError.Conflict == "":
		return errors.New("stream_error: expected code or conflict")
	case step.Fault != nil:
		fault := *step.Fault
		return fault.check()
	default:
		return nil
	}
}
