package message

import "unicode/utf8"

// Code points with a role in emojis (Unicode Technical Standard 51).
const (
	zeroWidthJoiner = 0x200d
	textStyle       = 0xfe0e // the emoji before it is shown without colours
	emojiStyle      = 0xfe0f // the emoji before it is shown with colours
	keycap          = 0x20e3
	endOfTags       = 0xe007f
)

// isEmoji reports whether s is one emoji: a symbol, a flag or a keycap, with what may follow it, or several with joiners
// between them (the grammar of Unicode Technical Standard 51, section 1.4.9). It has no list of emojis, because Unicode
// adds some every year: where they may be is fixed.
func isEmoji(s string) bool {
	if len(s) > maxReaction || !utf8.ValidString(s) {
		return false
	}
	rest := []rune(s)
	for {
		var ok bool
		if rest, ok = afterEmoji(rest); !ok {
			return false
		}
		if len(rest) == 0 {
			return true
		}
		if rest[0] != zeroWidthJoiner {
			return false
		}
		rest = rest[1:]
	}
}

// afterEmoji returns what follows the first emoji, which has no joiners. It returns false if there is none.
func afterEmoji(s []rune) ([]rune, bool) {
	switch {
	case len(s) == 0:
		return s, false
	case isRegional(s[0]):
		return s[min(2, len(s)):], len(s) > 1 && isRegional(s[1])
	case isKeycapBase(s[0]):
		if len(s) > 1 && s[1] == emojiStyle {
			s = s[1:]
		}
		return s[min(2, len(s)):], len(s) > 1 && s[1] == keycap
	case !isPictograph(s[0]):
		return s, false
	}
	s = s[1:]
	for len(s) > 0 && (s[0] == emojiStyle || s[0] == textStyle || isSkinTone(s[0])) {
		s = s[1:]
	}
	return afterTags(s)
}

// afterTags skips the tags of a regional flag, such as Scotland's. It returns false if their end is missing.
func afterTags(s []rune) ([]rune, bool) {
	n := 0
	for n < len(s) && s[n] >= 0xe0020 && s[n] < endOfTags {
		n++
	}
	if n == 0 {
		return s, true
	}
	return s[min(n+1, len(s)):], n < len(s) && s[n] == endOfTags
}

// isRegional reports whether r is a regional indicator: two of them are a flag.
func isRegional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

func isSkinTone(r rune) bool { return r >= 0x1f3fb && r <= 0x1f3ff }

func isKeycapBase(r rune) bool { return r >= '0' && r <= '9' || r == '#' || r == '*' }

// isPictograph reports whether r is where emojis are. These are the blocks of symbols below U+10000, to which Unicode
// adds no more emojis, a few old ones elsewhere, and the blocks that Unicode has reserved for emojis, also where no
// character is assigned yet (property Extended_Pictographic).
func isPictograph(r rune) bool {
	switch r {
	case 0xa9, 0xae, 0x203c, 0x2049, 0x2122, 0x2139, 0x3030, 0x303d, 0x3297, 0x3299:
		return true
	default:
		return r >= 0x2190 && r <= 0x2bff || r >= 0x1f000 && r <= 0x1faff || r >= 0x1fc00 && r <= 0x1fffd
	}
}
