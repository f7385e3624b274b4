// Package interop holds the sandbox against a client that shares no code with it: the npm package baileys, in the
// version that package-lock.json pins, driven by client.mjs. The sandbox is built with parts of whatsmeow, so
// whatsmeow alone could agree with it on a mistake.
//
// The package has tests only. They need Node 20 or newer and the packages in node_modules, which `make tools` installs.
// Without them they are skipped, or fail where TEST_TOOLS=required says so.
package interop
