package rest

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"wasup/internal/session"
)

// The number of items on a page.
const (
	DefaultPage = 50
	LargestPage = 500
)

// cursorPrefix begins every cursor of this version.
const cursorPrefix = "1:"

// Cursor returns the id after which the page begins, "" for the first page.
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

// PageOf returns a page of items that are sorted by id, and the cursor of the next page. A page begins after an id and
// not at a position, so that no item is repeated or left out if others are created or deleted between two requests.
func PageOf[T any](items []T, after session.ID, limit int, id func(T) session.ID) (page []T, next string) {
	from := sort.Search(len(items), func(i int) bool { return id(items[i]) > after })
	page = items[from:]
	if len(page) <= limit {
		return page, ""
	}
	page = page[:limit]
	return page, base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + string(id(page[limit-1]))))
}

// Number returns the cursor of a list that is sorted by number, 0 for the first page.
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

// CursorOf returns the cursor of the page after a number.
func CursorOf(n uint64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatUint(n, 10)))
}

// ShortText returns the schema of a text with a maximum number of characters.
func ShortText(most int) *huma.Schema { return &huma.Schema{Type: huma.TypeString, MaxLength: &most} }

// Paging returns the paging parameters of a list.
func Paging() []Parameter {
	low, high := 1.0, float64(LargestPage)
	return []Parameter{
		{"limit", "Items on a page.", &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Maximum: &high, Default: DefaultPage}},
		{"cursor", "The next_cursor of the page before.", ShortText(200)},
	}
}

// Join joins the parts that are not empty with spaces.
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
