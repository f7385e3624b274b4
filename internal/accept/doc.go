// Package accept accepts connections, also while the process or the system is short of file descriptors or memory. It
// knows how many connections a server may hold. It serves nothing, and knows no protocol.
package accept
