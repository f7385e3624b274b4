// Command gendoc writes docs/state-machine.md and docs/errors.md from the machine's table and the list of codes, so
// that the documentation always matches the code.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", "docs", "directory to write to")
	flag.Parse()
	for name, text := range map[string]string{"state-machine.md": stateMachine(), "errors.md": errorCodes()} {
		if err := os.WriteFile(filepath.Join(*out, name), []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gendoc:", err)
			os.Exit(1)
		}
	}
}
