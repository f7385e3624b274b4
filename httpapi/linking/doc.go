// Package linking is the part of /v1 that links a device: by QR, by a pairing code for the phone, by passkey.
package linking
