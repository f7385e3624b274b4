package rest

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"wasup/httpapi/wire"
)

const labelPrefix = "metadata."

// readQuery reads and checks the parameters that the operation has, and refuses all others. If a misspelt filter were
// ignored, the answer would have items that the caller did not ask for.
func (k *Call) readQuery() error {
	op := k.op
	var wrong []wire.FieldError
	k.Query = make(map[string]string)
	for key, value := range k.Context().QueryArgs().All() {
		name, text := string(key), string(value)
		if label, ok := strings.CutPrefix(name, labelPrefix); ok && op.Labels && label != "" {
			if _, twice := k.Labels[label]; twice {
				wrong = append(wrong, wire.FieldError{Field: name, Detail: "expected once"})
			}
			if k.Labels == nil {
				k.Labels = make(map[string]string)
			}
			k.Labels[label] = text
			continue
		}
		i := slices.IndexFunc(op.Query, func(p Parameter) bool { return p.Name == name })
		if i < 0 {
			wrong = append(wrong, wire.FieldError{Field: Clipped(name), Detail: "unknown parameter; expected " + op.parameters()})
			continue
		}
		if _, twice := k.Query[name]; twice {
			wrong = append(wrong, wire.FieldError{Field: name, Detail: "expected once"})
			continue
		}
		k.Query[name] = text
		if problem := k.api.checkParameter(&op.Query[i], text); problem != "" {
			wrong = append(wrong, wire.FieldError{Field: name, Detail: problem})
		}
	}
	return refuse(wrong)
}

func (a *API) checkParameter(p *Parameter, text string) string {
	var value any = text
	switch p.Schema.Type {
	case huma.TypeInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "expected an integer"
		}
		value = n
	case huma.TypeBoolean:
		if text != "true" && text != "false" {
			return "expected true or false"
		}
		value = text == "true"
	}
	var result huma.ValidateResult
	huma.Validate(a.registry, p.Schema, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	if len(result.Errors) == 0 {
		return ""
	}
	var detail *huma.ErrorDetail
	if errors.As(result.Errors[0], &detail) {
		return detail.Message
	}
	return "not acceptable"
}
