package httpapi

import (
	"net"

	"wasup/httpapi/rest"
)

// Accessors for the tests of the whole server.

func (s *Server) Life() *rest.Life { return s.host.Life }

func (s *Server) Immutable() bool { return s.app.Config().Immutable }

func (s *Server) Rows() []rest.Route { return s.routes.rows }

func (s *Server) Listener() *net.TCPListener { return s.listener.tcp }
