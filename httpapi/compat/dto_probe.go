package compat

// The JSON of the probes.

type healthAnswer struct {
	Status        string `json:"status"`
	Service       string `json:"service"`
	Version       string `json:"version"`
	UptimeSeconds int64  `json:"uptime_seconds"`
}

type healthError struct {
	Status  string `json:"status"`
	Service string `json:"service"`
	Error   string `json:"error"`
}

type livenessAnswer struct {
	Status string `json:"status"`
}

type readinessAnswer struct {
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"`
	Restored int    `json:"restored"` // linked sessions that have connected since the process started
	Wanted   int    `json:"wanted"`   // linked sessions that should run
}
