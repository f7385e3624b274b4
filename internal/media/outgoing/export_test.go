package outgoing

// CleanName is what Put makes of a file's name.
func CleanName(name string) string { return cleanName(name) }
