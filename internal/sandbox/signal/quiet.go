package signal

import "go.mau.fi/libsignal/logger"

// libsignal prints warnings to standard output, and picks its default logger at
// the first message without a lock, which the race detector reports. The choice
// is made here, during package initialisation, because that is the one moment
// that comes before every goroutine. A logger that somebody set already stays.
func init() {
	if logger.Logger == nil {
		logger.Logger = quietLogger{}
	}
}

// quietLogger drops everything: the messages contain key material, and every
// failure is also returned as an error.
type quietLogger struct{}

func (quietLogger) Debug(string, string)   {}
func (quietLogger) Info(string, string)    {}
func (quietLogger) Warning(string, string) {}
func (quietLogger) Error(string, string)   {}
func (quietLogger) Configure(string)       {}
