package signal

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.mau.fi/whatsmeow/types"
)

// TestDevicesThatStartSessionsAtTheSameTimeCanReadEachOther lets both devices write before either has received a
// message. Each then has two sessions, and switches between them again and again as messages cross.
func TestDevicesThatStartSessionsAtTheSameTimeCanReadEachOther(t *testing.T) {
	for seed := range uint64(40) {
		dice := rand.New(rand.NewPCG(seed, 1))
		devices := []*Device{newDevice(t), newDevice(t)}
		addresses := []types.JID{phoneLID, companionLID}
		for i, d := range devices {
			bundle, err := devices[1-i].Bundle()
			must(t, err)
			must(t, d.ProcessBundle(addresses[1-i], bundle))
		}
		type letter struct {
			kind string
			text []byte
			want string
		}
		var wire [2][]letter // to each device, in order
		for n := range 600 {
			i := dice.IntN(2)
			if dice.IntN(2) == 0 && len(wire[i]) < 6 {
				want := fmt.Sprint(n)
				kind, text, err := devices[1-i].Encrypt(addresses[i], []byte(want))
				must(t, err)
				wire[i] = append(wire[i], letter{kind, text, want})
				continue
			}
			if len(wire[i]) == 0 {
				continue
			}
			l := wire[i][0]
			wire[i] = wire[i][1:]
			got, err := devices[i].Decrypt(addresses[1-i], l.kind, l.text)
			if err != nil {
				t.Fatalf("seed %d, message %d: %v", seed, n, err)
			}
			if string(got) != l.want {
				t.Fatalf("seed %d, message %d is %q", seed, n, got)
			}
		}
	}
}
