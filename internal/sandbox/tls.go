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

// certificateLife is how long the certificates of a server hold; it makes new ones at every start.
const certificateLife = 365 * 24 * time.Hour

// webHost is the host that clients connect to unless told otherwise. The certificate names it, so that clients
// whose connections are led here need no other change than to trust the CA.
const webHost = "web.whatsapp.com"

// transport is what a server needs to speak TLS.
type transport struct {
	config *tls.Config
	caPEM  []byte
}

// newTransport makes a CA and a certificate under it for the hosts by which the server is reached.
func newTransport(listen string) (*transport, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, fmt.Errorf("sandbox: TLSListen is %q, expected host:port", listen)
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the CA's key: %w", err)
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wasup sandbox CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("sandbox: making the TLS key: %w", err)
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
		return nil, fmt.Errorf("sandbox: making the TLS certificate: %w", err)
	}
	return &transport{
		config: &tls.Config{
			MinVersion:   tls.VersionTLS12,
			Certificates: []tls.Certificate{{Certificate: [][]byte{der, caDER}, PrivateKey: key}},
			// WebSocket connections begin as HTTP/1.1.
			NextProtos: []string{"http/1.1"},
		},
		caPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}),
	}, nil
}

// tcpOf returns the TCP connection below a connection, nil when there is none.
func tcpOf(raw net.Conn) *net.TCPConn {
	if secure, ok := raw.(*tls.Conn); ok {
		raw = secure.NetConn()
	}
	tcp, _ := raw.(*net.TCPConn)
	return tcp
}

// SecureURL is the WebSocket endpoint with TLS, wss://host:port/ws/chat; empty before Start and without
// Config.TLS.
func (s *Server) SecureURL() string {
	if _, secure := s.endpoint.addresses(); secure != "" {
		return "wss://" + secure + Path
	}
	return ""
}

// CAPEM is the certificate of the CA that clients of SecureURL have to trust, in PEM; nil without Config.TLS.
// Every server has a CA of its own.
func (s *Server) CAPEM() []byte {
	if s.credentials.transport == nil {
		return nil
	}
	return append([]byte{}, s.credentials.transport.caPEM...)
}
