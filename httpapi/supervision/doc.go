// Package supervision is the part of /v1 that shows the supervision tree: crashes, restarts, quarantine.
package supervision
