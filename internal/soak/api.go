package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answer is the response of wasup. status is 0 if there was none.
type answer struct {
	status int
	body   []byte
}

// into decodes the body of a 2xx answer into v. Any other status is an error.
func (a answer) into(v any) error {
	if a.status/100 != 2 {
		return fmt.Errorf("wasup answered %d: %s", a.status, bytes.TrimSpace(a.body))
	}
	return json.Unmarshal(a.body, v)
}

// call makes one request. After an error it is unknown whether wasup carried it out.
func (r *run) call(ctx context.Context, method, path string, body any, headers ...string) (answer, error) {
	addr := r.child.addr.Load()
	raw := []byte(nil)
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return answer{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+*addr+path, bytes.NewReader(raw))
	if err != nil {
		return answer{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := r.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	return answer{response.StatusCode, text}, err
}

// must repeats a request until wasup answers 2xx, because wasup may be down at any moment. It gives up when ctx ends,
// or at a 4xx other than 409 and 429.
func (r *run) must(ctx context.Context, method, path string, body any, headers ...string) (answer, error) {
	pause := 20 * time.Millisecond
	for {
		a, err := r.call(ctx, method, path, body, headers...)
		switch {
		case err == nil && a.status/100 == 2:
			return a, nil
		case err == nil && a.status/100 == 4 && a.status != http.StatusTooManyRequests && a.status != http.StatusConflict:
			return a, fmt.Errorf("%s %s: wasup answered %d: %s", method, path, a.status, bytes.TrimSpace(a.body))
		case err == nil:
			r.refusals.Add(1)
		}
		select {
		case <-ctx.Done():
			return a, fmt.Errorf("%s %s: %w (last answer %d %s)", method, path, errors.Join(ctx.Err(), err), a.status, bytes.TrimSpace(a.body))
		case <-time.After(pause):
		}
		pause = min(2*pause, time.Second)
	}
}
