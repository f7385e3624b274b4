package configs

import (
	"slices"
	"strings"
)

// didYouMean suggests the nearest candidate. It returns "" when none is near
// enough.
func didYouMean(name string, candidates []string) string {
	slices.Sort(candidates)
	best, bestDistance := "", len(name)/2+1
	for _, candidate := range candidates {
		distance := editDistance(name, candidate)
		if !strings.Contains(name, ".") {
			// A name without a section is compared with the last part of the key.
			last := candidate[strings.LastIndexByte(candidate, '.')+1:]
			distance = min(distance, editDistance(name, last)+1)
		}
		if distance < bestDistance {
			best, bestDistance = candidate, distance
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance counts the letters to insert, delete or replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
