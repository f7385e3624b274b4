package rest

import "testing"

func TestEveryCodeHasAStatusInV1(t *testing.T) {
	rows := errorRows()
	seen := make(map[string]bool)
	for _, row := range rows {
		if row.status < 400 || row.status > 599 || row.doc == "" || seen[row.code] || titleOf(row.status) == "" {
			t.Errorf("%+v", row)
		}
		seen[row.code] = true
	}
	for code := range statuses {
		if !seen[string(code)] {
			t.Errorf("%s has a status and is no code", code)
		}
	}
	for reason, code := range ofRefusal {
		if !seen[code] {
			t.Errorf("%s becomes %s, which is no code", reason, code)
		}
	}
	for _, status := range []int{400, 405, 406, 408, 413, 500, 503} {
		if len(codesOf(status)) == 0 {
			t.Errorf("every operation may answer %d, and no code has it", status)
		}
	}
}
