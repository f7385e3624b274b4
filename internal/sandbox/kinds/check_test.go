package kinds

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestEveryFieldOfTheDetailsIsChecked has a kind, good values and bad values of each field.
func TestEveryFieldOfTheDetailsIsChecked(t *testing.T) {
	long := func(n int) string { return strconv.Quote(strings.Repeat("x", n)) }
	table := map[string]struct {
		kind      string
		good, bad []string
	}{
		"images":      {Album, []string{"0", "1000"}, []string{"1001"}},
		"videos":      {Album, []string{"0", "1000"}, []string{"4294967295"}},
		"name":        {StickerPack, []string{`""`, long(1000)}, []string{long(1001)}},
		"description": {Event, []string{`""`, long(64 << 10)}, []string{long(64<<10 + 1)}},
		"start":       {ScheduledCall, []string{"0", "253402300799"}, []string{"-1", "253402300800", "9223372036854775807"}},
		"end":         {Event, []string{"0", "253402300799"}, []string{"-1", "253402300800"}},
		"place":       {Event, []string{`""`, long(1000)}, []string{long(1001)}},
		"latitude":    {LiveLocation, []string{"-90", "90"}, []string{"-90.1", "900"}},
		"longitude":   {LiveLocation, []string{"-180", "180"}, []string{"-180.1", "900"}},
		"link":        {EventEdit, []string{`""`, long(1000)}, []string{long(1001)}},
		"off":         {Pin, []string{"false", "true"}, nil},
		"guests":      {Event, []string{"false", "true"}, nil},
		"answer":      {EventAnswer, []string{`"going"`, `"not_going"`, `"maybe"`}, []string{`""`, `"perhaps"`}},
		"extra":       {EventAnswer, []string{"0", "1000"}, []string{"-1", "1001"}},
		"seconds":     {Pin, []string{"0", "315360000"}, []string{"-1", "315360001"}},
		"video":       {CallLog, []string{"false", "true"}, nil},
		"outcome":     {CallLog, []string{"0", "1", "7"}, []string{"-1", "99"}},
		"publisher":   {StickerPack, []string{`""`, long(1000)}, []string{long(1001)}},
		"stickers":    {StickerPack, []string{"0", "1000"}, []string{"-3", "1001", "2000000000"}},
	}
	check := func(field, kind, value string) *Error {
		t.Helper()
		body := `{"` + field + `":` + value + `}`
		if kind == EventAnswer && field != "answer" {
			body = `{"answer":"maybe","` + field + `":` + value + `}`
		}
		var d Details
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			t.Fatal(err)
		}
		var failed *Error
		errors.As(d.Check(kind), &failed)
		return failed
	}
	for i := range reflect.TypeFor[Details]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[Details]().Field(i).Tag.Get("json"), ",")
		row, listed := table[name]
		if !listed {
			t.Errorf("%s: the table has no values", name)
			continue
		}
		for _, value := range row.good {
			if failed := check(name, row.kind, value); failed != nil {
				t.Errorf("%s %.40s: %v", name, value, failed)
			}
		}
		for _, value := range row.bad {
			if failed := check(name, row.kind, value); failed == nil || failed.Field != "details."+name || failed.Reason == "" {
				t.Errorf("%s %.40s: %v", name, value, failed)
			}
		}
		given := row.good[len(row.good)-1]
		for _, kind := range All() {
			failed, has := check(name, kind, given), slices.Contains(fieldOf(t, name).kinds, kind)
			if !has && (failed == nil || failed.Field != "details."+name) {
				t.Errorf("%s of the kind %s: %v", name, kind, failed)
			}
		}
	}
}

func fieldOf(t *testing.T, name string) field {
	t.Helper()
	all := new(Details).fields()
	i := slices.IndexFunc(all, func(f field) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("%s is not checked", name)
	}
	return all[i]
}

func TestAnEventEndsAfterItsStart(t *testing.T) {
	d := Details{Start: 2, End: 1}
	var failed *Error
	if !errors.As(d.Check(Event), &failed) || failed.Field != "details.end" {
		t.Error(failed)
	}
}
