package signal

import "go.mau.fi/libsignal/logger"

// libsignal prints warnings to standard output. It picks its default logger at the first message without a lock, which
// the race detector reports. Package initialisation is the only moment before every goroutine, so the logger is set
// here. A logger that is set already stays.
func init() {
	if logger.Logger == nil {
		logger.Logger = quietLogger{}
	}
}

// quietLogger drops all messages: they contain key material, and every failure is also returned as an error.
type quietLogger struct{}

func (quietLogger) Debug(string, string)   {}
func (quietLogger) Info(string, string)    {}
func (quietLogger) Warning(string, string) {}
func (quietLogger) Error(string, string)   {}
func (quietLogger) Configure(string)       {}
