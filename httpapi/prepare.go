package httpapi

// Prepare draws the picture of a code before anybody asks for it, so that it is there when they do. It blocks until the
// picture is drawn; a code that cannot be drawn is told to whoever asks for it.
func (s *Server) Prepare(code string) {
	_, _ = s.images.dataURL(code)
}
