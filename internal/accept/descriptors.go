package accept

// MaxConnections is the most connections that Connections returns.
const MaxConnections = 65_536

// Connections returns how many connections a server may hold by default: a quarter of the descriptors of the process,
// and MaxConnections at most. The rest is left to the sessions, of which each has a socket, to the database, to webhooks
// and to files.
func Connections() int { return connectionsOf(Descriptors()) }

func connectionsOf(descriptors uint64) int {
	if descriptors == 0 || descriptors > 4*MaxConnections {
		return MaxConnections
	}
	return max(1, int(descriptors/4))
}
