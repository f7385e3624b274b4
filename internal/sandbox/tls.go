package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// certificateLife is the validity of a server's TLS certificates. A server creates new ones at every start.
const certificateLife = 365 * 24 * time.Hour

// webHost is the host that clients connect to by default. The certificate includes it, so that clients whose
// connections are redirected here only need to trust the CA.
const webHost = "web.whatsapp.com"

// transport is the TLS configuration of a server.
type transport struct {
	config *tls.Config
	caPEM  []byte
}

// newTransport creates a CA and a certificate for the names and addresses of the server.
func newTransport(listen string) (*transport, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("sandbox: TLSListen is %q, expected host:port", listen)
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the CA's key: %w", err)
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wasup sandbox CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the TLS key: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "wasup sandbox"},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost", webHost}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil {
		leaf.IPAddresses = append(leaf.IPAddresses, ip)
	} else if host != "" {
		leaf.DNSNames = append(leaf.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("sandbox: create the TLS certificate: %w", err)
	}
	return &transport{
		config: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der, caDER}, PrivateKey: key}},
			// The WebSocket handshake needs HTTP/1.1.
			NextProtos: []string{"http/1.1"},
		},
		caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
	}, nil
}

// tcpOf returns the TCP connection under a connection, nil if there is none.
func tcpOf(raw net.Conn) *net.TCPConn {
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	tcp, _ := raw.(*net.TCPConn)
	return tcp
}

// SecureURL returns the URL of the WebSocket endpoint with TLS, wss://host:port/ws/chat. It is empty before Start and
// without Config.TLS.
func (s *Server) SecureURL() string {
	if _, secure := s.endpoint.addresses(); secure != "" {
		return "wss://" + secure + Path
	}
	return ""
}

// CAPEM returns the certificate of the CA, which clients of SecureURL must trust, in PEM. It is nil without Config.TLS.
// Every server has its own CA.
func (s *Server) CAPEM() []byte {
	if s.credentials.transport == nil {
		return nil
	}
	return append([]byte{}, s.credentials.transport.caPEM...)
}
