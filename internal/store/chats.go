package store

import "wasup/internal/store/chats"

// Aliases returns the table of numbers that WhatsApp writes otherwise.
func (s *Store) Aliases() *chats.Aliases { return chats.NewAliases(s.forChats()) }

// Timers returns the table of disappearing timers.
func (s *Store) Timers() *chats.Timers { return chats.NewTimers(s.forChats()) }

func (s *Store) forChats() chats.Database {
	return chats.Database{Write: s.write, Read: s.read, Commit: s.Commit, Failure: failure, Clean: clean, Now: s.options.Now}
}
