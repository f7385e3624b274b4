package rest

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

// The size of a page.
const (
	DefaultPage = 50
	LargestPage = 500
)

// cursorPrefix tells a cursor of this version from anything else.
const cursorPrefix = "1:"

// Cursor is the id after which the page begins, "" for the first page.
func (k *Call) Cursor() (session.ID, error) {
	text, given := k.Query["cursor"]
	if !given {
		return "", nil
	}
	plain, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		if name, ok := strings.CutPrefix(string(plain), cursorPrefix); ok {
			if id, err := session.ParseID(name); err == nil {
				return id, nil
			}
		}
	}
	return "", BadField("cursor", "expected the next_cursor of an earlier answer")
}

// PageOf cuts a page out of items that are sorted by id. A page begins after an id and not at a position, so that
// sessions that come and go meanwhile neither repeat nor hide others.
func PageOf[T any](items []T, after session.ID, limit int, id func(T) session.ID) (page []T, next string) {
	from := sort.Search(len(items), func(i int) bool { return id(items[i]) > after })
	page = items[from:]
	if len(page) <= limit {
		return page, ""
	}
	page = page[:limit]
	return page, base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + string(id(page[limit-1]))))
}

// Number is the cursor of a list that is ordered by numbers, 0 for the first page.
func (k *Call) Number() (uint64, error) {
	text, err := k.Cursor()
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(string(text), 10, 63)
	if err != nil {
		return 0, BadField("cursor", "expected the next_cursor of an earlier answer")
	}
	return n, nil
}

// CursorOf is the cursor of the page after a number.
func CursorOf(n uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatUint(n, 10)))
}

// ShortText is the schema of a text of at most so many characters.
func ShortText(most int) *huma.Schema { return &huma.Schema{Type: huma.TypeString, MaxLength: &most} }

// Paging is the parameters of a list.
func Paging() []Parameter {
	low, high := 1.0, float64(LargestPage)
	return []Parameter{
		{"limit", "Items on a page.", &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: DefaultPage}},
		{"cursor", "The next_cursor of the page before.", ShortText(200)},
	}
}

// Join puts a space between the parts that are not empty.
func Join(parts ...string) string {
	out := ""
	for _, part := range parts {
		if part != "" && out != "" {
			out += " "
		}
		out += part
	}
	return out
}
