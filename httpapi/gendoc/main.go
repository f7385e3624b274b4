// Command gendoc writes docs/openapi.json and docs/api.md from the operations of package httpapi, so that the documents
// match the code.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"wasup/httpapi"
)

func main() {
	out := flag.String("out", "docs", "directory to write to")
	flag.Parse()
	api := httpapi.API()
	for name, text := range map[string][]byte{"openapi.json": api.JSON(), "api.md": []byte(api.Guide())} {
		if err := os.WriteFile(filepath.Join(*out, name), text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "gendoc:", err)
			os.Exit(1)
		}
	}
}
