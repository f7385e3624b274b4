package compat

// sentences are the messages of the codes. The contract's messages are Spanish on /qr-code and on the hub's routes, and
// on every route for the header. Its other messages are English.
var sentences = map[string]struct{ coded, flagged string }{
	codeMissingHeader:  {"Header X-Cliente-Id es requerido", "Header X-Cliente-Id es requerido"},
	codeInvalidHeader:  {"X-Cliente-Id debe ser un número positivo", "X-Cliente-Id debe ser un número positivo"},
	codeInvalidRequest: {"Solicitud inválida", "Invalid request"},
	codeQRNotRequired:  {"La sesión ya está conectada", "The session is connected already"},
	codeInitFailed:     {"Error al inicializar la sesión de WhatsApp", "Failed to initialize the WhatsApp session"},
	codeQRTimeout: {
		"Timeout esperando la generación del código QR. Intenta nuevamente.",
		"Timed out waiting for the QR code. Try again.",
	},
	codeInternal:         {"Error interno del servidor", "Internal server error"},
	codeSessionNotReady:  {"La sesión no está lista", "WhatsApp session not ready"},
	codeSendFailed:       {"No se pudo enviar el mensaje", "The message could not be sent"},
	codeSessionNotFound:  {"La sesión no existe", "No session has this id"},
	codeSessionExists:    {"La sesión ya existe", "A session has this id already"},
	codeAlreadyConnected: {"La sesión ya está conectada", "The session is connected already"},
	codeQRFailed:         {"No se pudo generar el código QR. Intenta nuevamente.", "The QR code could not be generated. Try again."},
	codeNotFound:         {"La ruta no existe", "No such route; GET / lists them"},
	codeMethodNotAllowed: {"Método no permitido; ver el header Allow", "Method not allowed; see the Allow header"},
	codeWrongHost: {
		"El servicio no responde a este Host; ver http.hosts",
		"The service does not answer to this Host; see http.hosts",
	},
	codeCrossOrigin: {
		"Una página de otro origen no puede llamar a este servicio; ver http.cors_origins",
		"A page of another origin may not call this service; see http.cors_origins",
	},
	codeBodyTooLarge:    {"El cuerpo de la solicitud es demasiado grande", "The request body is too large"},
	codeHeadersTooLarge: {"Los headers de la solicitud son demasiado grandes", "The request headers are too large"},
	codeEncoding: {
		"El cuerpo debe enviarse sin Content-Encoding",
		"The request body must be sent without Content-Encoding",
	},
	codeRequestTimeout: {"La solicitud no llegó completa a tiempo", "The request did not arrive in time"},
	codeTooManyWaiters: {
		"Demasiadas solicitudes esperando un código QR. Intenta nuevamente.",
		"Too many requests wait for a QR code. Try again.",
	},
	codeTooManyConns: {
		"Demasiadas conexiones abiertas. Intenta nuevamente.",
		"Too many connections are open. Try again.",
	},
	codeQueueFull:    {"Demasiados mensajes en curso. Intenta nuevamente.", "Too many messages are in flight. Try again."},
	codeShuttingDown: {"El servicio se está cerrando. Intenta nuevamente.", "The service is shutting down. Try again."},
	codeIdempotency: {
		"La misma Idempotency-Key llegó con otro mensaje",
		"The same Idempotency-Key came with another message",
	},
	codeStore: {"La base de datos no responde. Intenta nuevamente.", "The database did not answer. Try again."},
}

func sentence(code string, shape shape) string {
	s := sentences[code]
	if shape == coded {
		return s.coded
	}
	return s.flagged
}
