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

// process holds the values of package variables of whatsmeow and libsignal: one value for all clients of a process.
// Every client reads these variables without a lock, so they are written once, before the first client exists.
var process struct {
	sync.Mutex
	claimed    bool
	root       [32]byte
	deviceName string
	sessions   *ratchet.Format
	// version guards whatsmeow's version variables. A refresh writes them while clients log in.
	version sync.RWMutex
}

// whatsAppRoot is the root key that is compiled into whatsmeow.
var whatsAppRoot = whatsmeow.WACertPubKey

var errProcessClaimed = errors.New("this process already speaks to WhatsApp with other settings")

// claimProcess sets the process-wide variables. At a later call it checks that they have the wanted values. A zero root
// means whatsmeow's own key.
func claimProcess(root [32]byte, deviceName string) error {
	process.Lock()
	defer process.Unlock()
	if root == [32]byte{} {
		root = whatsAppRoot
	}
	if process.claimed {
		if process.root != root {
			return fmt.Errorf("%w: RootPublicKey differs, and whatsmeow has one root key for the whole process", errProcessClaimed)
		}
		if process.deviceName != deviceName {
			return fmt.Errorf("%w: DeviceName differs, and whatsmeow has one device name for the whole process", errProcessClaimed)
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

// sessionRecords returns the process's serializer of Signal sessions. Call it after claimProcess.
func sessionRecords() *ratchet.Format {
	process.Lock()
	defer process.Unlock()
	return process.sessions
}

// silence is libsignal's logger. Otherwise libsignal would set up its own at first use, without a lock, and print to
// standard output. Its failures reach us as errors of whatsmeow's calls.
type silence struct{}

func (silence) Debug(_, _ string)   {}
func (silence) Info(_, _ string)    {}
func (silence) Warning(_, _ string) {}
func (silence) Error(_, _ string)   {}
func (silence) Configure(_ string)  {}
