package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wasup/internal/app/apptest"

	"wasup/configs"
)

// typed is the output and the exit code of a command line.
type typed struct {
	code        int
	out, errors string
}

func typeIn(t testing.TB, environ []string, args ...string) typed {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(context.Background(), args, environ, &out, &errs)
	return typed{code, out.String(), errs.String()}
}

func TestTheDemoShowsEveryStepAndEnds(t *testing.T) {
	demo := apptest.StartChild(t, "demo", "--once", "--http.listen", "127.0.0.1:0")
	if code := demo.Wait(); code != exitOK {
		t.Fatalf("exit code %d\n%s\n%s", code, demo.Stdout, demo.Stderr)
	}
	out := demo.Stdout.String()
	for _, step := range []string{
		`(?m)^1\. GET /qr-code as client 51: `,
		`(?m)^  \x1b\[30;107m.*[█▀▄]`,
		`(?m)^2\. Ana's virtual phone \+5491155550101 scanned the PNG and linked device 5491155550101:\d+@s\.whatsapp\.net`,
		`(?m)^3\. The session logged in again with its new credentials: READY`,
		`(?m)^4\. POST /send to \+34600111222: acknowledged by the server as [0-9A-F]+`,
		`(?m)^5\. Bruno's phone decrypted "Hello from wasup" and read it`,
	} {
		if !regexp.MustCompile(step).MatchString(out) {
			t.Errorf("the demo did not print %s", step)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(demo.Stderr.String()), "\n") {
		if line != "" && !strings.Contains(line, "slow database statement") { // a busy machine causes this warning
			t.Errorf("the demo complained: %s", line)
		}
	}
}

func TestVersionAndDefaultConfigurationArePrinted(t *testing.T) {
	if got := typeIn(t, nil, "version"); got.code != exitOK || !strings.HasPrefix(got.out, "wasup "+version+" go1.") || got.errors != "" {
		t.Errorf("version: %+v", got)
	}
	got := typeIn(t, nil, "config", "--default")
	if got.code != exitOK || got.out != string(configs.DefaultYAML()) || got.errors != "" {
		t.Errorf("config --default ended with %d, printed %d bytes and complained %q", got.code, len(got.out), got.errors)
	}
	file := filepath.Join(t.TempDir(), "wasup.yaml")
	if err := os.WriteFile(file, []byte(got.out), 0o600); err != nil {
		t.Fatal(err)
	}
	if got = typeIn(t, nil, "config", "--config", file); got.code != exitOK {
		t.Errorf("the default configuration is not accepted: %+v", got)
	}
	got = typeIn(t, []string{"WASUP_QR_WAIT=7s"}, "config", "--http.listen", "127.0.0.1:4001")
	if got.code != exitOK || !strings.Contains(got.out, "wait: 7s") || !strings.Contains(got.out, "listen: 127.0.0.1:4001") {
		t.Errorf("the environment or the flag did not count: %+v", got)
	}
}

func TestAMistakeOnTheCommandLineIsOneClearLineAndExitCode2(t *testing.T) {
	folder := t.TempDir()
	unknownKey := filepath.Join(folder, "unknown.yaml")
	if err := os.WriteFile(unknownKey, []byte("http:\n  lisen: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args    []string
		environ []string
		says    []string
	}{
		"unknown command":        {args: []string{"sevre"}, says: []string{`"sevre"`, `"serve"`}},
		"unknown flag":           {args: []string{"serve", "--http.lisen", "x"}, says: []string{"--http.lisen"}},
		"stray word":             {args: []string{"serve", "now"}, says: []string{`"now"`}},
		"unknown key":            {args: []string{"serve", "--config", unknownKey}, says: []string{"http.lisen", "http.listen"}},
		"missing file":           {args: []string{"serve", "--config", filepath.Join(folder, "none.yaml")}, says: []string{"none.yaml"}},
		"unknown variable":       {args: []string{"serve"}, environ: []string{"WASUP_HTTP_LISEN=x"}, says: []string{"WASUP_HTTP_LISEN", "WASUP_HTTP_LISTEN"}},
		"bad duration":           {args: []string{"serve", "--qr.wait", "soon"}, says: []string{"qr.wait", `"soon"`}},
		"bad root key":           {args: []string{"serve", "--whatsapp.root_public_key", "cafe"}, says: []string{"whatsapp.root_public_key", "64 hex digits"}},
		"bad URL":                {args: []string{"serve", "--whatsapp.websocket_url", "http://x/"}, says: []string{"whatsapp.websocket_url", "ws"}},
		"open to the world":      {args: []string{"serve", "--http.listen", "0.0.0.0:3001"}, says: []string{"http.listen", "loopback"}},
		"sandbox seed":           {args: []string{"sandbox", "--seed", "xyz"}, says: []string{"--seed", "64 hex digits"}},
		"sandbox TLS to the net": {args: []string{"sandbox", "--tls", "0.0.0.0:0"}, says: []string{"--tls", "loopback"}},
		"sandbox to the net":     {args: []string{"sandbox", "--listen", "0.0.0.0:0"}, says: []string{"--listen", "loopback"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := typeIn(t, c.environ, c.args...)
			if got.code != exitUsage {
				t.Errorf("exit code %d, want %d", got.code, exitUsage)
			}
			if strings.Count(got.errors, "\n") != 1 || !strings.HasPrefix(got.errors, "wasup: ") {
				t.Errorf("not one line: %q", got.errors)
			}
			for _, says := range c.says {
				if !strings.Contains(got.errors, says) {
					t.Errorf("%q does not say %s", got.errors, says)
				}
			}
			if got.out != "" {
				t.Errorf("it printed %q", got.out)
			}
		})
	}
}

func TestWhatASoakCannotDoIsRefused(t *testing.T) {
	for args, want := range map[string]string{
		"--sessions 0":  "--sessions 0: expected at least 1",
		"--messages -1": "--messages -1: expected at least 1",
		"--rate 0":      "--rate 0: expected more than 0",
		"--rate NaN":    "--rate NaN: expected more than 0",
		"--kills 0":     "--kills 0: expected at least 1, or -1",
		"--kills -5":    "--kills -5: expected at least 1, or -1",
		"--between -1s": "--between -1s: expected a duration",
	} {
		got := typeIn(t, nil, append([]string{"soak"}, strings.Fields(args)...)...)
		if got.code != exitUsage || !strings.Contains(got.errors, want) || got.out != "" {
			t.Errorf("soak %s: %+v", args, got)
		}
	}
}

// In a flag's help the text between backquotes is the name of its value, so it must not be a command.
func TestHelpNamesTheConfigurationFileAsAFile(t *testing.T) {
	if got := typeIn(t, nil, "serve", "--help"); !strings.Contains(got.out, "--config file ") || !strings.Contains(got.out, `"wasup config --default" prints one`) {
		t.Errorf("serve --help says of --config: %s", got.out)
	}
}
