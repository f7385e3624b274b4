package migrate

import (
	"fmt"
	"strings"
)

// kind is the type of a column's values, common to both databases.
type kind int

const (
	kindUnknown kind = iota
	kindText
	kindBytes
	kindInteger
	kindBool
	kindReal
)

// kindOf returns the kind of a declared type of SQLite or PostgreSQL. Run refuses unknown types, because a wrong
// guess would damage keys without an error.
func kindOf(declared string) kind {
	declared, _, _ = strings.Cut(strings.ToLower(declared), "(")
	switch strings.TrimSpace(declared) {
	case "text", "varchar", "bpchar", "uuid", "json", "jsonb":
		return kindText
	case "bytea", "blob":
		return kindBytes
	case "bigint", "integer", "smallint", "int", "int8", "int4", "int2":
		return kindInteger
	case "boolean", "bool":
		return kindBool
	case "real", "double precision", "float8", "float4":
		return kindReal
	default:
		return kindUnknown
	}
}

// convert converts a value of the source to one for the target's column. cleaned reports whether text had to be
// changed.
func (c column) convert(value any, to Database) (_ any, cleaned bool, err error) {
	if value == nil {
		return nil, false, nil
	}
	ok := false
	switch c.kind {
	case kindText:
		var text string
		if text, ok = asText(value); ok && to.Postgres {
			changed := to.Clean(text)
			return changed, changed != text, nil
		}
		value = text
	case kindBytes:
		switch v := value.(type) {
		case []byte:
			if v == nil { // SQLite's driver returns nil for an empty blob, which is not NULL
				v = []byte{}
			}
			return v, false, nil
		case string:
			return []byte(v), false, nil
		}
	case kindInteger:
		_, ok = value.(int64)
	case kindBool:
		switch v := value.(type) {
		case bool:
			return v, false, nil
		case int64:
			return v != 0, false, nil
		}
	case kindReal:
		_, ok = value.(float64)
	case kindUnknown:
	}
	if !ok {
		return nil, false, fmt.Errorf("a value of type %T cannot be converted to %s", value, c.declared)
	}
	return value, false, nil
}

func asText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	default:
		return "", false
	}
}
