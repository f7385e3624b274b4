package httpapi

import (
	"net"

	"wasup/httpapi/rest"
)

// What the tests of the whole server look at.

func (s *Server) Life() *rest.Life { return s.host.Life }

func (s *Server) Immutable() bool { return s.app.Config().Immutable }

func (s *Server) Rows() []rest.Route { return s.routes.rows }

func (s *Server) Listener() *net.TCPListener { return s.listener.TCPListener }
