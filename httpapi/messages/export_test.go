package messages

// Examples returns the examples of the document.
var Examples = messageExamples
