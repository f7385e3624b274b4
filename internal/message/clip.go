package message

import (
	"encoding/base64"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of Clip for fields without a clip tag.
const (
	clipString = 255      // characters of a string
	clipList   = 1024     // items of a list
	clipBytes  = 64 << 10 // bytes of a byte string
	// clipLists is the limit for all lists of a value together, in bytes of their JSON.
	clipLists = 512 << 10
)

const (
	// MaxMentions is the number of mentions that a received message keeps, and of members in an event about a group.
	MaxMentions = maxMentions
	// MaxAddress is the number of characters of the longest address.
	MaxAddress = 128
	// MaxName is the number of characters that are kept of a person's own name.
	MaxName = clipString
)

// Clip returns a copy of a struct whose JSON has a bounded size, whoever chose its contents, and whether anything is
// missing in it. A string that is too long is cut after a character, and a list after an item. A byte string that is
// too long is left out, because half a picture is none. The tag clip of a field is its limit, as in `clip:"100"`: the
// characters of a string, the items of a list, the bytes of a byte string. With `clip:"100,drop"` a string of
// more characters is left out. Fields without the tag have the limits above. All lists together have at most 512 KiB.
// Clip leaves alone what is not in the JSON.
func Clip[T any](value T) (clipped T, cut bool) {
	c := clipper{left: clipLists}
	v := reflect.ValueOf(&value).Elem()
	c.clip(v, limit{})
	return value, c.cut
}

type clipper struct {
	left int // bytes that the following lists may have
	cut  bool
}

// limit is the tag of a field. The zero value means the limit of the field's type.
type limit struct {
	most int
	drop bool
}

func (l limit) or(usual int) int {
	if l.most > 0 {
		return l.most
	}
	return usual
}

func limitOf(field reflect.StructField) limit {
	text, given := field.Tag.Lookup("clip")
	if !given {
		return limit{}
	}
	number, drop := strings.CutSuffix(text, ",drop")
	most, err := strconv.Atoi(number)
	if err != nil || most < 1 {
		panic("message: the field " + field.Name + " has the tag clip:" + strconv.Quote(text) + "; expected a number") //nolint:forbidigo // found by any test
	}
	return limit{most, drop}
}

// clip clips a value in place. What the value points to is copied first.
func (c *clipper) clip(v reflect.Value, most limit) {
	switch v.Kind() {
	case reflect.String:
		c.clipText(v, most)
	case reflect.Slice:
		c.clipSlice(v, most)
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		own := reflect.New(v.Type().Elem())
		own.Elem().Set(v.Elem())
		c.clip(own.Elem(), most)
		v.Set(own)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); inJSON(field) {
				c.clip(v.Field(i), limitOf(field))
			}
		}
	default:
	}
}

func inJSON(field reflect.StructField) bool {
	return field.IsExported() && field.Tag.Get("json") != "-"
}

func (c *clipper) clipText(v reflect.Value, most limit) {
	text := v.String()
	short := FirstCharacters(text, most.or(clipString))
	if len(short) == len(text) {
		return
	}
	if most.drop {
		short = ""
	}
	v.SetString(short)
	c.cut = true
}

// FirstCharacters returns at most so many characters of a text.
func FirstCharacters(text string, characters int) string {
	if len(text) <= characters {
		return text
	}
	n := 0
	for at := range text {
		if n == characters {
			return strings.Clone(text[:at]) // a part of the text would keep all of it in memory
		}
		n++
	}
	return text
}

func (c *clipper) clipSlice(v reflect.Value, most limit) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if v.Len() > most.or(clipBytes) {
			v.SetZero()
			c.cut = true
		}
		return
	}
	if v.Len() == 0 {
		return // nil stays nil, and empty stays empty
	}
	items := min(v.Len(), most.or(clipList))
	own := reflect.MakeSlice(v.Type(), items, items)
	reflect.Copy(own, v)
	kept := 0
	for ; kept < items && c.clipItem(own.Index(kept)); kept++ {
	}
	c.cut = c.cut || kept < v.Len()
	v.Set(own.Slice(0, kept))
}

// clipItem clips an item of a list and charges its size once, with the lists in it. It reports whether there is room for
// the item. What the item has besides lists comes first, and its lists share the rest.
func (c *clipper) clipItem(item reflect.Value) bool {
	before, whole := c.left, reflect.New(item.Type()).Elem()
	whole.Set(item)
	c.clip(item, limit{})
	size := jsonSize(item)
	if besides := size - (before - c.left); size > before && besides < before {
		item.Set(whole)
		c.left = before - besides
		c.clip(item, limit{})
		size = jsonSize(item)
	}
	if size > before {
		c.left = before
		return false
	}
	c.left = before - size
	return true
}

// jsonSize returns at least the size of a value's JSON, in bytes.
func jsonSize(v reflect.Value) int {
	const number = 25
	switch v.Kind() {
	case reflect.String:
		return jsonTextSize(v.String()) + len(`"",`)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return base64.StdEncoding.EncodedLen(v.Len()) + len(`"",`)
		}
		size := len(`[],`)
		for i := range v.Len() {
			size += jsonSize(v.Index(i))
		}
		return size
	case reflect.Pointer:
		if v.IsNil() {
			return len(`null,`)
		}
		return jsonSize(v.Elem())
	case reflect.Struct:
		size := len(`{},`)
		for i := range v.NumField() {
			if field := v.Type().Field(i); inJSON(field) {
				size += max(len(field.Name), len(field.Tag.Get("json"))) + len(`"":`) + jsonSize(v.Field(i))
			}
		}
		return size
	default:
		return number
	}
}

// jsonTextSize returns the size of a text in JSON, without the quotes.
func jsonTextSize(text string) int {
	const escaped = len(`\u0000`)
	size := 0
	for _, r := range text {
		switch {
		case r < ' ', r == '<', r == '>', r == '&', r == '\u2028', r == '\u2029', r == utf8.RuneError:
			size += escaped
		case r == '"', r == '\\':
			size += 2
		default:
			size += utf8.RuneLen(r)
		}
	}
	return size
}
