package admin

import (
	"net/http"
	"strings"
	"time"

	"wasup/internal/sandbox/faults"
)

func (a faultAPI) listFaults(r *http.Request) (int, any, error) {
	body := faultsBody{Faults: []faultBody{}}
	for _, fault := range a.server.Faults() {
		body.Faults = append(body.Faults, faultJSON(fault))
	}
	for _, kind := range faults.Kinds() {
		body.Kinds = append(body.Kinds, string(kind))
	}
	return http.StatusOK, body, nil
}

func (a faultAPI) setFault(r *http.Request) (int, any, error) {
	var in faultRequest
	if err := readJSON(r, maxJSON, &in); err != nil {
		return 0, nil, err
	}
	delay, err := readDuration("delay", in.Delay)
	if err != nil {
		return 0, nil, err
	}
	expire, err := readDuration("expire", in.Expire)
	if err != nil {
		return 0, nil, err
	}
	fault := faults.Fault{
		Kind:     faults.Kind(in.Kind),
		Account:  strings.TrimPrefix(in.Account, "+"),
		Device:   in.Device,
		Count:    in.Count,
		Delay:    delay,
		Code:     in.Code,
		Expire:   expire,
		BanCode:  in.BanCode,
		KeepOpen: in.KeepOpen,
		Conn:     in.Conn, Match: in.Match, Variant: in.Variant, Probability: in.Probability, Seed: in.Seed,
	}
	id, err := a.server.SetFault(fault)
	if err != nil {
		return 0, nil, translate(err)
	}
	fault.ID = id
	return http.StatusCreated, faultJSON(fault), nil
}

func (a faultAPI) clearFault(r *http.Request) (int, any, error) {
	if !a.server.ClearFault(r.PathValue("id")) {
		return 0, nil, notFound("fault_not_found", "id", "there is no such fault, or it has applied as many times as its count")
	}
	return http.StatusNoContent, nil, nil
}

func (a faultAPI) clearFaults(r *http.Request) (int, any, error) {
	a.server.ClearFaults()
	return http.StatusNoContent, nil, nil
}

func faultJSON(f faults.Fault) faultBody {
	return faultBody{
		ID: f.ID, Kind: string(f.Kind), Account: f.Account, Device: f.Device, Count: f.Count,
		Delay: durationText(f.Delay), Code: f.Code, Expire: durationText(f.Expire), BanCode: f.BanCode,
		KeepOpen: f.KeepOpen, Applied: f.Applied,
		Conn: f.Conn, Match: f.Match, Variant: f.Variant, Probability: f.Probability, Seed: f.Seed,
	}
}

func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
