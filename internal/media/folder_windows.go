package media

// SyncFolder does nothing: Windows cannot flush folders, and the file system's journal keeps names.
func SyncFolder(string) error { return nil }
