// Package interop tests the sandbox with a client that shares no code with it: the npm package baileys, in the version
// that package-lock.json pins, driven by client.mjs. The sandbox is built with parts of whatsmeow, so both could have
// the same mistake and whatsmeow alone would not show it.
//
// The package has only tests. They need Node 20 or newer and the packages in node_modules, which `make tools` installs.
// Without them the tests are skipped, or fail if TEST_TOOLS=required is set.
package interop
