package sandbox

import (
	"log/slog"

	"wasup/internal/sandbox/observe"
	"wasup/internal/sandbox/tasks"
)

// network is everything between phones and clients: who there is, what they have, and how it gets from one to another.
type network struct {
	log      *slog.Logger
	tasks    *tasks.Tasks
	observer *observe.Observer
	faults   *faultSet

	dir       *directory
	courier   *courier
	keys      *keyStore
	links     *links
	groups    *groupSet
	router    *router
	profiles  *profiles
	calls     *callSet
	appStates *appStates
	media     *mediaStore
}

// newNetwork makes a network without anybody. mediaHost is the host:port of uploads and downloads.
func newNetwork(cfg Config, mediaHost func() string) *network {
	n := &network{log: cfg.Log, tasks: tasks.New(), observer: observe.New(), dir: newDirectory(), media: newMediaStore(cfg, mediaHost)}
	n.faults = &faultSet{observer: n.observer}
	n.courier = &courier{dir: n.dir, faults: n.faults, observer: n.observer}
	n.keys = &keyStore{dir: n.dir, courier: n.courier}
	n.links = &links{cfg: cfg, dir: n.dir, courier: n.courier, observer: n.observer}
	n.groups = newGroupSet(n.dir, n.courier, n.observer, n.log)
	n.profiles = &profiles{dir: n.dir, groups: n.groups, courier: n.courier, media: n.media, observer: n.observer, byAccount: make(map[*account]*profile)}
	n.router = &router{dir: n.dir, groups: n.groups, courier: n.courier, profiles: n.profiles, observer: n.observer}
	n.calls = &callSet{dir: n.dir, courier: n.courier, profiles: n.profiles, observer: n.observer, tasks: n.tasks}
	n.appStates = &appStates{dir: n.dir, courier: n.courier, media: n.media, observer: n.observer, log: n.log, byAccount: make(map[*account]*appState)}
	return n
}
