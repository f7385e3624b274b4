// Package network is everything between phones and clients, put together.
//
// What there is of each subject, and what is done about it, is in the packages of the subjects.
package network

import (
	"log/slog"
	"time"

	"wasup/internal/sandbox/accounts"
	"wasup/internal/sandbox/appstate"
	"wasup/internal/sandbox/calls"
	"wasup/internal/sandbox/faults"
	"wasup/internal/sandbox/groups"
	"wasup/internal/sandbox/media"
	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/profiles"
	"wasup/internal/sandbox/routing"
	"wasup/internal/sandbox/tasks"
)

// Network is everything between phones and clients: who there is, what they have, and how it gets from one to another.
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
	Router    *routing.Router
	Profiles  *profiles.Profiles
	Calls     *calls.Set
	AppStates *appstate.Store
	Media     *media.Store
}

// Config says how a network behaves.
type Config struct {
	Log   *slog.Logger
	Media media.Limits
	// MediaHost is the host:port of uploads and downloads that clients are told.
	MediaHost func() string
	// CloseDelay is after how long a connection ends that was told why, LeaveDelay what a client gets to end it itself.
	CloseDelay, LeaveDelay time.Duration
}

// New makes a network without anybody.
func New(cfg Config) *Network {
	n := &Network{Log: cfg.Log, Tasks: tasks.New(), Observer: observe.New(), Dir: accounts.NewDirectory(), Media: media.NewStore(cfg.Media, cfg.Log, cfg.MediaHost)}
	n.Faults = faults.NewSet(n.Observer)
	n.Courier = accounts.NewCourier(n.Dir, n.Faults, n.Observer)
	n.Keys = accounts.NewKeys(n.Dir, n.Courier, n.Log)
	n.Links = accounts.NewLinks(n.Dir, n.Courier, n.Observer, cfg.CloseDelay, cfg.LeaveDelay)
	n.Groups = groups.NewSet(n.Dir, n.Courier, n.Observer, n.Log)
	n.Profiles = profiles.New(n.Dir, n.Groups, n.Courier, n.Media, n.Observer)
	n.Router = routing.New(n.Dir, n.Groups, n.Courier, n.Profiles, n.Observer)
	n.Calls = calls.NewSet(n.Dir, n.Courier, n.Profiles, n.Observer, n.Tasks)
	n.AppStates = appstate.NewStore(n.Dir, n.Courier, n.Media, n.Observer, n.Log)
	return n
}
