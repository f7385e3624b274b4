package httpapi

// The JSON of the index, GET /.

type indexAnswer struct {
	Service string       `json:"service"`
	Version string       `json:"version"`
	Routes  []indexRoute `json:"routes"`
}

type indexRoute struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	What   string `json:"what"`
}
