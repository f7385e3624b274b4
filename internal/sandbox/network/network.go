// Package network combines the packages between phones and clients.
//
// The state and the logic of each subject are in the subject's own package.
package network

import (
	"log/slog"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/appstate"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/capture"
	"wasup/internal/sandbox/channels"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/profiles"
	"wasup/internal/sandbox/routing"
	"wasup/internal/sandbox/tasks"
)

// Network combines what lies between phones and clients: accounts, groups, calls, media, app state, and the delivery of
// stanzas.
type Network struct {
	Log      *slog.Logger
	Tasks    *tasks.Tasks
	Observer *observe.Observer
	Faults   *faults.Set

	Dir       *accounts.Directory
	Courier   *accounts.Courier
	Keys      *accounts.Keys
	Links     *accounts.Links
	Groups    *groups.Set
	Channels  *channels.Set
	Router    *routing.Router
	Profiles  *profiles.Profiles
	Calls     *calls.Set
	AppStates *appstate.Store
	Media     *media.Store
	Capture   *capture.Log
}

// Config says how a network behaves.
type Config struct {
	Log   *slog.Logger
	Media media.Limits
	// MediaHost returns the host:port for uploads and downloads that clients are told.
	MediaHost func() string
	// CloseDelay is the time between a final stanza and the end of its connection. LeaveDelay is the time that a client
	// gets to end the connection itself.
	CloseDelay, LeaveDelay time.Duration
}

// New returns a network without accounts.
func New(cfg Config) *Network {
	n := &Network{Log: cfg.Log, Tasks: tasks.New(), Observer: observe.New(), Capture: capture.New(), Dir: accounts.NewDirectory(), Media: media.NewStore(cfg.Media, cfg.Log, cfg.MediaHost)}
	n.Faults = faults.NewSet(n.Observer)
	n.Courier = accounts.NewCourier(n.Dir, n.Faults, n.Observer)
	n.Keys = accounts.NewKeys(n.Dir, n.Courier, n.Log)
	n.Groups = groups.NewSet(n.Dir, n.Courier, n.Observer, n.Log)
	n.Channels = channels.NewSet(n.Dir, n.Courier, n.Observer)
	n.Profiles = profiles.New(n.Dir, n.Groups, n.Courier, n.Media, n.Observer)
	n.Router = routing.New(n.Dir, n.Groups, n.Channels, n.Courier, n.Profiles, n.Faults, n.Observer)
	n.Links = accounts.NewLinks(n.Dir, n.Router.AnnounceDevice, n.Observer, cfg.CloseDelay, cfg.LeaveDelay)
	n.Calls = calls.NewSet(n.Dir, n.Courier, n.Profiles, n.Observer, n.Tasks)
	n.AppStates = appstate.NewStore(n.Dir, n.Courier, n.Media, n.Observer, n.Log)
	return n
}

// Forget makes every part that owns accounts forget one that was removed from the directory. A part that adds an account
// asks the directory whether it is still there, under the lock with which it forgets.
func (n *Network) Forget(a *accounts.Account) {
	for _, owner := range []interface{ Forget(a *accounts.Account) }{n.Groups, n.Channels, n.Calls, n.Profiles, n.AppStates} {
		owner.Forget(a)
	}
}
