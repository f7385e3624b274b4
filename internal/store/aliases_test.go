package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"wasup/internal/message"
	"wasup/internal/store"
)

func TestAliasesThatAreOldAreForgotten(t *testing.T) {
	now := time.UnixMilli(1_780_000_000_000)
	st := openDSN(t, "sqlite:"+filepath.Join(t.TempDir(), "wasup.db"), store.Options{Now: func() time.Time { return now }})
	save := func(number string) {
		t.Helper()
		if err := st.Aliases().SaveAliases(t.Context(), map[string]message.Address{number: {PN: "551187654321@s.whatsapp.net"}}, now.AddDate(0, 0, -180)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		save(fmt.Sprint("551198765432", n))
		now = now.AddDate(0, 0, 100)
	}
	save("5511987654323")
	found, err := st.Aliases().AliasesOf(t.Context(), "5511987654320", "5511987654321", "5511987654322", "5511987654323")
	if err != nil || len(found) != 2 || found["5511987654322"].IsZero() || found["5511987654323"].IsZero() {
		t.Errorf("after 300, 200, 100 and 0 days there are %v, %v", found, err)
	}
}
