package outgoing

// CleanName returns the name that Put stores for a file's name.
func CleanName(name string) string { return cleanName(name) }
