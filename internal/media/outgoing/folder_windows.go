package outgoing

// syncFolder has nothing to do where folders cannot be flushed: the file system's journal keeps names.
func syncFolder(string) error { return nil }
