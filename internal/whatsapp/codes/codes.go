// Package codes translates failures of the network, of whatsmeow and of the database into session's codes.
//
// It owns what is said of each failure: its code, its status and one line without addresses, SQL or paths. It knows no
// run, and does not decide what follows from a failure.
package codes

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"

	"wasup/internal/session"
	"wasup/internal/whatsapp/masking"
	"wasup/internal/whatsapp/tunnel"
)

// Failures that whatsmeow has no error for.
var (
	ErrConnectTimeout  = errors.New("dial or handshake timed out")
	ErrRunEnded        = errors.New("the run was ended")
	ErrHandshakeClosed = errors.New("the connection was closed before the handshake was answered")
	ErrNoDevices       = errors.New("the recipient has no device")
)

// ConnectError returns the error of a failed connection: a code, and a message that contains nothing but the reason.
func ConnectError(id session.ID, err error) error {
	failure := &session.Error{Code: session.CodeConnectFailed, Op: "connect", Session: id, Err: err}
	var (
		status socket.ErrWithStatusCode
		proxy  *tunnel.Error
	)
	switch {
	case errors.As(err, &proxy):
		failure.Code, failure.Message = session.CodeProxyFailed, proxy.Reason
	case errors.Is(err, store.ErrDeviceDeleted):
		failure.Code, failure.Message = session.CodeStoreUnavailable, "the device was deleted while it was opened"
	case errors.As(err, &status) && status.StatusCode != http.StatusSwitchingProtocols:
		failure.Code, failure.Status = session.CodeConnectRefused, status.StatusCode
		failure.Message = strings.TrimSpace(fmt.Sprintf("the server answered with HTTP %d %s", status.StatusCode, http.StatusText(status.StatusCode)))
	default:
		failure.Message = ConnectReason(err)
		if isUntrusted(err) {
			failure.Code = session.CodeUntrusted
		}
	}
	return failure
}

// ConnectReason returns the reason of a failed connection, in a few words.
func ConnectReason(err error) string {
	var (
		dns    *net.DNSError
		record tls.RecordHeaderError
	)
	text := err.Error()
	switch {
	case errors.Is(err, ErrConnectTimeout) && strings.Contains(text, "handshake failed"):
		return "handshake timed out"
	case errors.Is(err, ErrConnectTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "connecting timed out"
	case errors.Is(err, ErrRunEnded):
		return "the run was ended while it connected"
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return "no such host"
		}
		return "the name of the host could not be resolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route to the host"
	case isBadTLS(err):
		return "the TLS certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the server does not speak TLS"
	case errors.Is(err, ErrHandshakeClosed):
		return "the server closed the connection during the handshake"
	case strings.Contains(text, "timed out waiting for handshake response"):
		return "handshake timed out"
	case strings.Contains(text, badRoot):
		return "certificate not signed by the configured root key"
	case strings.Contains(text, badCertificate):
		return "the server's certificate is not valid"
	case strings.Contains(text, "handshake failed"):
		return "the handshake failed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, net.ErrClosed):
		return "connection reset"
	default:
		return "the connection failed"
	}
}

// What whatsmeow's errors say if the certificate in the handshake is not WhatsApp's.
const (
	badRoot        = "cert signature"
	badCertificate = "failed to verify server cert"
)

// isUntrusted reports whether the server was refused for its certificate: that of TLS, or that of WhatsApp's handshake.
func isUntrusted(err error) bool {
	text := err.Error()
	return isBadTLS(err) || strings.Contains(text, badRoot) || strings.Contains(text, badCertificate)
}

func isBadTLS(err error) bool {
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
	)
	return errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid) || errors.As(err, &verify)
}

// StoreError returns the error of a failed database operation. An error that has a code keeps it.
func StoreError(op string, id session.ID, err error) error {
	failure := &session.Error{Code: storeCode(err), Op: op, Session: id, Err: err}
	var coded *session.Error
	if errors.As(err, &coded) {
		failure.Code, failure.Message = coded.Code, coded.Message
	}
	return failure
}

// storeCode distinguishes a full and a locked database from one that does not answer. Only the store knows the drivers,
// so this function uses what their errors have in common: SQLite's result codes and PostgreSQL's SQLSTATE.
func storeCode(err error) session.Code {
	var (
		sqlite interface{ Code() int }
		pg     interface{ SQLState() string }
	)
	switch {
	case errors.As(err, &sqlite):
		switch sqlite.Code() & 0xff {
		case 5, 6: // SQLITE_BUSY, SQLITE_LOCKED
			return session.CodeStoreLocked
		case 13: // SQLITE_FULL
			return session.CodeStoreFull
		}
	case errors.As(err, &pg):
		if pg.SQLState() == "53100" { // disk_full
			return session.CodeStoreFull
		}
	}
	return session.CodeStoreUnavailable
}

// IsStore reports whether an operation of whatsmeow failed because of the database and not the network. A broken
// connection to PostgreSQL has no SQLSTATE, but its driver's errors say whether a statement may be repeated.
func IsStore(err error) bool {
	var (
		sqlite interface{ Code() int }
		pg     interface{ SQLState() string }
		broken interface{ SafeToRetry() bool }
	)
	return errors.As(err, &sqlite) || errors.As(err, &pg) || errors.As(err, &broken)
}

// statusRestricted is WhatsApp's error number for an account that may not write to people who have not written to it.
const statusRestricted = 463

// RequestError returns the error of a failed request to WhatsApp. Its text contains no addresses.
func RequestError(op string, id session.ID, err error) *session.Error {
	failure := classify(err)
	failure.Op, failure.Session, failure.Err = op, id, masking.Error{Err: err}
	return failure
}

// classify returns the code, status and message for a failed request.
func classify(err error) *session.Error {
	var (
		coded        *session.Error
		iq           *whatsmeow.IQError
		disconnected *whatsmeow.DisconnectedError
		broken       *net.OpError // a write to a connection whose end the reader has not seen yet
	)
	switch {
	case errors.As(err, &coded):
		return &session.Error{Code: coded.Code, Message: coded.Message, Status: coded.Status}
	case errors.Is(err, whatsmeow.ErrServerReturnedError):
		return refused(StatusIn(err.Error()))
	case errors.As(err, &disconnected), errors.As(err, &broken), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, whatsmeow.ErrNotConnected), errors.Is(err, whatsmeow.ErrNotLoggedIn),
		errors.Is(err, socket.ErrSocketClosed), errors.Is(err, net.ErrClosed), errors.Is(err, store.ErrDeviceDeleted):
		return &session.Error{Code: session.CodeDisconnected}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.Is(err, whatsmeow.ErrMessageTimedOut), errors.Is(err, whatsmeow.ErrIQTimedOut):
		return &session.Error{Code: session.CodeAckOverdue}
	case errors.Is(err, ErrNoDevices), strings.Contains(err.Error(), "no LID found for"):
		return &session.Error{Code: session.CodeNotOnWhatsApp}
	case errors.Is(err, whatsmeow.ErrGroupNotFound):
		return &session.Error{Code: session.CodeSendFailed, Status: http.StatusNotFound, Message: "there is no such group"}
	case errors.Is(err, whatsmeow.ErrNotInGroup):
		return &session.Error{Code: session.CodeSendFailed, Status: http.StatusForbidden, Message: "the account is not in this group"}
	case errors.As(err, &iq):
		return refused(iq.Code)
	case IsStore(err):
		return &session.Error{Code: storeCode(err)}
	default:
		// Only WhatsApp's own answer ends a message. This error is no such answer, so the message is tried again.
		return &session.Error{Code: session.CodeInternal, Message: "the message could not be prepared for the recipient"}
	}
}

// refused returns the error for the number of WhatsApp's refusal.
func refused(status int) *session.Error {
	if status == statusRestricted {
		return &session.Error{
			Code: session.CodeRestricted, Status: status,
			Message: "WhatsApp does not let this account write to this recipient now (error 463)",
		}
	}
	return &session.Error{
		Code: session.CodeSendFailed, Status: status, Message: fmt.Sprintf("WhatsApp refused the message (error %d)", status),
	}
}

// StatusIn returns the number at the end of whatsmeow's "server returned error 479", or 0.
func StatusIn(text string) int {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	status, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		return 0
	}
	return status
}
