// Package interop holds the sandbox against a client that shares no code with it: the npm package baileys, in the
// version that package-lock.json pins, driven by client.mjs. The sandbox is built with parts of whatsmeow, so
// whatsmeow alone could agree with it on a mistake.
//
// The package has tests only. They need Node 20 and npm, and install what is missing into node_modules. The
// environment variable WASUP_WITHOUT_NODE=1 leaves them out, where there is no Node; the tests then say so.
package interop
