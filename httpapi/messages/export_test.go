package messages

// Examples are those of the document.
var Examples = messageExamples
