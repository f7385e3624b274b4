package whatsapp

import (
	"errors"
	"fmt"
	"sync"

	signal "go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"

	"wasup/internal/whatsapp/ratchet"
)

// process remembers what whatsmeow and libsignal keep in package variables: one value for all clients of a process.
// They are read without a lock by every client, so they are written once, before the first one exists.
var process struct {
	sync.Mutex
	claimed    bool
	root       [32]byte
	deviceName string
	sessions   *ratchet.Format
	// version guards whatsmeow's own version variables, which a refresh writes while clients log in.
	version sync.RWMutex
}

// whatsAppRoot is the key that whatsmeow comes with.
var whatsAppRoot = whatsmeow.WACertPubKey

var errProcessClaimed = errors.New("this process already speaks to WhatsApp with other settings")

// claimProcess sets the process-wide variables, or checks that they are already what is wanted. The zero root key
// stands for whatsmeow's own.
func claimProcess(root [32]byte, deviceName string) error {
	process.Lock()
	defer process.Unlock()
	if root == [32]byte{} {
		root = whatsAppRoot
	}
	if process.claimed {
		if process.root != root {
			return fmt.Errorf("%w: RootPublicKey differs, and whatsmeow knows one root key a process", errProcessClaimed)
		}
		if process.deviceName != deviceName {
			return fmt.Errorf("%w: DeviceName differs, and whatsmeow knows one device name a process", errProcessClaimed)
		}
		return nil
	}
	whatsmeow.WACertPubKey = root
	store.DeviceProps.Os = proto.String(deviceName)
	var quiet signal.Loggable = silence{}
	signal.Setup(&quiet)
	process.sessions = ratchet.InstallFormat()
	process.claimed, process.root, process.deviceName = true, root, deviceName
	return nil
}

// sessionRecords is the process's serializer of Signal sessions, once it was claimed.
func sessionRecords() *ratchet.Format {
	process.Lock()
	defer process.Unlock()
	return process.sessions
}

// silence is libsignal's logger. libsignal sets up its own one without a lock on first use and prints to standard
// output; what it has to say reaches us as the errors of whatsmeow's calls.
type silence struct{}

func (silence) Debug(_, _ string)   {}
func (silence) Info(_, _ string)    {}
func (silence) Warning(_, _ string) {}
func (silence) Error(_, _ string)   {}
func (silence) Configure(_ string)  {}
