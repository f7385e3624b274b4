package rest

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// The formats of /v1.
const (
	ContentJSON   = "application/json"
	ContentPNG    = "image/png"
	ContentSVG    = "image/svg+xml"
	ContentText   = "text/plain"
	ContentHTML   = "text/html"
	ContentYAML   = "application/yaml"
	ContentScript = "text/javascript"
	ContentStyle  = "text/css"
	ContentEvents = "text/event-stream"
	ContentForm   = "multipart/form-data"
	// ContentAny is the format of files, which have the type that their sender gave them.
	ContentAny = "*/*"
	// ContentProblem is that of errors.
	ContentProblem = "application/problem+json"
)

// negotiate chooses the format of a successful answer. Errors are always problems in JSON, so that a caller that accepts
// only pictures still learns why there is none.
func negotiate(c *fiber.Ctx, op *Operation) (string, error) {
	formats := op.formats()
	if len(formats) > 1 {
		c.Vary(fiber.HeaderAccept)
	}
	values := c.Request().Header.PeekAll(fiber.HeaderAccept)
	if len(values) == 0 || op.Status == fiber.StatusNoContent || formats[0] == ContentAny {
		return formats[0], nil
	}
	parts := make([]string, len(values))
	for i, value := range values {
		parts[i] = string(value)
	}
	if format := acceptable(strings.Join(parts, ","), formats); format != "" {
		return format, nil
	}
	return "", HTTPProblem(CodeNotAcceptable, "Accept: expected one of "+strings.Join(formats, ", "))
}

// acceptable returns the format with the highest quality, the first one if two are equal, and "" if none is accepted. If
// several ranges match a format, the most specific one counts (RFC 9110, 12.5.1).
func acceptable(accept string, formats []string) string {
	best, bestQuality := "", 0.0
	for _, format := range formats {
		if quality := QualityOf(accept, format); quality > bestQuality {
			best, bestQuality = format, quality
		}
	}
	return best
}

// QualityOf returns the quality of a format in an Accept header, 0 if the header does not accept it.
func QualityOf(accept, format string) float64 {
	group, _, _ := strings.Cut(format, "/")
	specific, quality := 0, 0.0
	if strings.TrimSpace(accept) == "" {
		return 1
	}
	for each := range strings.SplitSeq(accept, ",") {
		name, parameters, _ := strings.Cut(each, ";")
		rank := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case format:
			rank = 3
		case group + "/*":
			rank = 2
		case "*/*", "*": // some old clients send "*"
			rank = 1
		}
		if rank > specific {
			specific, quality = rank, qualityParameter(parameters)
		}
	}
	return quality
}

func qualityParameter(parameters string) float64 {
	for each := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(each, "=")
		if strings.EqualFold(strings.TrimSpace(name), "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
