// Package linking is the part of /v1 by which a device is linked: by a QR, by a code for the phone, by a passkey.
package linking
