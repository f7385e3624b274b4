package sandbox

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/phones"
)

// library holds the scenarios that come with the sandbox.
//
//go:embed scenarios
var library embed.FS

// Limits of a scenario file.
const (
	maxScenario = 1 << 20 // bytes
	maxSteps    = 10_000
)

// ScenarioNames lists the scenarios that come with the sandbox.
func ScenarioNames() []string {
	entries, err := library.ReadDir("scenarios")
	if err != nil { // cannot happen: the folder is embedded
		return nil
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), path.Ext(entry.Name())))
	}
	return names
}

// LibraryScenario returns a scenario of the library. ScenarioNames lists the names, and so does the error for an
// unknown one.
func LibraryScenario(name string) (Scenario, error) {
	file, err := library.Open("scenarios/" + name + ".yaml")
	if err != nil {
		return Scenario{}, fmt.Errorf("no scenario %q: expected a file or one of %s", name, strings.Join(ScenarioNames(), ", "))
	}
	defer func() { _ = file.Close() }() // closing an embedded file cannot fail
	return ParseScenario(file, name)
}

// ParseScenario parses a scenario file. Its errors contain name, the line and the field. name is also the name of a
// scenario without one. docs/sandbox.md describes the format.
func ParseScenario(r io.Reader, name string) (Scenario, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxScenario+1))
	if err != nil {
		return Scenario{}, fmt.Errorf("read scenario %s: %w", name, err)
	}
	if len(raw) > maxScenario {
		return Scenario{}, fmt.Errorf("scenario %s: expected at most %d bytes", name, maxScenario)
	}
	file, lines, err := decodeScenario(raw)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	sc, err := file.scenario(name, lines)
	if err != nil {
		return Scenario{}, fmt.Errorf("scenario %s: %w", name, err)
	}
	return sc, nil
}

// scenarioFile is the structure of a scenario file.
type scenarioFile struct {
	Name   string      `yaml:"name"`
	About  string      `yaml:"about"`
	Phones []phoneFile `yaml:"phones"`
	Steps  []stepFile  `yaml:"steps"`
}

// lineFile keeps the nodes of phones and steps, which have the line numbers that decoding into values loses.
type lineFile struct {
	Phones []yaml.Node `yaml:"phones"`
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

func (f selectFile) pick() faults.Select {
	return faults.Select{Account: strings.TrimPrefix(f.Account, "+"), Device: f.Device}
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

	Match       string  `yaml:"match"`
	Variant     string  `yaml:"variant"`
	Probability float64 `yaml:"probability"`
	Seed        uint64  `yaml:"seed"`
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

// length is a duration such as 1.5s or 2m.
type length time.Duration

// lengthError is the error of a value that is not a duration.
type lengthError struct {
	line  int
	value string
}

func (e *lengthError) Error() string {
	return fmt.Sprintf("line %d: %q is not a duration", e.line, e.value)
}

// UnmarshalYAML parses a duration as time.ParseDuration does, but refuses negative ones.
func (l *length) UnmarshalYAML(node *yaml.Node) error {
	d, err := time.ParseDuration(node.Value)
	if err != nil || d < 0 {
		return &lengthError{node.Line, node.Value}
	}
	*l = length(d)
	return nil
}

func decodeScenario(raw []byte) (file scenarioFile, lines lineFile, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	switch err = decoder.Decode(&file); {
	case errors.Is(err, io.EOF):
		return file, lines, errors.New("is empty: expected steps")
	case err != nil:
		return file, lines, explainYAML(raw, err)
	}
	if decoder.Decode(new(yaml.Node)) == nil {
		return file, lines, errors.New("expected one document")
	}
	return file, lines, yaml.Unmarshal(raw, &lines)
}

func (f scenarioFile) scenario(name string, lines lineFile) (Scenario, error) {
	sc := Scenario{Name: f.Name, About: f.About}
	if sc.Name == "" {
		sc.Name = name
	}
	for i, p := range f.Phones {
		phone := phones.Config{Number: strings.TrimPrefix(p.Number, "+"), Name: p.Name, Script: phones.Script(p.Script)}
		switch line := lines.Phones[i].Line; {
		case !accounts.ValidNumber(phone.Number):
			return Scenario{}, fmt.Errorf("line %d: number: %q: expected 7 to 15 digits, country code first", line, p.Number)
		case phone.Script != "" && !phone.Script.Valid():
			return Scenario{}, fmt.Errorf("line %d: script: %q: expected read, echo, deliver, slow or silent", line, p.Script)
		case len(phone.Name) > phones.MaxName:
			return Scenario{}, fmt.Errorf("line %d: name: expected at most %d bytes", line, phones.MaxName)
		}
		sc.Phones = append(sc.Phones, phone)
	}
	if len(f.Steps) == 0 || len(f.Steps) > maxSteps {
		return Scenario{}, fmt.Errorf("steps: expected 1 to %d", maxSteps)
	}
	for i := range f.Steps {
		step := f.Steps[i].step()
		step.Line = lines.Steps[i].Line
		if err := step.check(); err != nil {
			return Scenario{}, fmt.Errorf("line %d: %w", step.Line, err)
		}
		sc.Steps = append(sc.Steps, step)
	}
	return sc, nil
}

func (in stepFile) step() Step {
	step := Step{At: time.Duration(in.At), Every: time.Duration(in.Every), Times: in.Times, Clear: in.Clear}
	pick := func(s *selectFile) *faults.Select {
		if s == nil {
			return nil
		}
		selected := s.pick()
		return &selected
	}
	step.Drop, step.Close, step.HalfOpen = pick(in.Drop), pick(in.Close), pick(in.HalfOpen)
	if f := in.Fault; f != nil {
		step.For = time.Duration(f.For)
		step.Fault = &faults.Fault{
			Kind: faults.Kind(f.Kind), Account: f.pick().Account, Device: f.Device, Count: f.Count, Delay: time.Duration(f.Delay),
			Code: f.Code, Expire: time.Duration(f.Expire), BanCode: f.BanCode, KeepOpen: f.KeepOpen,
			Match: f.Match, Variant: f.Variant, Probability: f.Probability, Seed: f.Seed,
		}
	}
	if e := in.StreamError; e != nil {
		step.StreamError = &StreamErrorStep{Select: e.pick(), Code: e.Code, Conflict: e.Conflict, KeepOpen: e.KeepOpen}
	}
	if r := in.Restart; r != nil {
		step.Restart = &RestartStep{Down: time.Duration(r.Down), Forget: r.Forget}
	}
	if m := in.Send; m != nil {
		step.Send = &SendStep{From: m.From, To: m.To, Text: m.Text}
	}
	return step
}
