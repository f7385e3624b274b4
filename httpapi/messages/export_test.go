package messages

// Examples returns the examples of the document.
var Examples = messageExamples

// KindOfFile is the kind that a file gets if the caller names none.
var KindOfFile = kindOfFile
