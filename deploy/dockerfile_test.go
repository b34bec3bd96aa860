package deploy_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// buildLine is the Dockerfile's build step: what is set, then the command.
var buildLine = regexp.MustCompile(`(?m)^RUN ((?:[A-Z0-9_]+=\S+ )+)go build (.*) -o /out/bellhop (\S+)$`)

// TestDockerfileBuildsAStaticBinary does what the Dockerfile's first stage
// does, with the flags that stand there, and looks for what FROM scratch does
// not have: a dynamic linker and libraries.
func TestDockerfileBuildsAStaticBinary(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	step := buildLine.FindStringSubmatch(string(text))
	if step == nil {
		t.Fatalf("no line of the Dockerfile matches %s", buildLine)
	}
	bin := filepath.Join(t.TempDir(), "bellhop")
	// The shell splits the flags as it does in the image; the names are the test's.
	build := exec.CommandContext(t.Context(), "sh", "-c", `exec go build `+step[2]+` -o "$BIN" `+step[3])
	build.Dir = ".."
	build.Env = append(os.Environ(), append(strings.Fields(step[1]), "BIN="+bin)...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", build, err, out)
	}
	f, err := elf.Open(bin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v segment", p.Type)
		}
	}
	if s := f.Section(".dynamic"); s != nil {
		t.Error("the binary has a dynamic section")
	}
}

// TestDockerfileRunsWithoutRoot keeps the promises that the README makes about
// the image.
func TestDockerfileRunsWithoutRoot(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "\nFROM scratch\n")
	for _, line := range []string{
		"USER 65532:65532", "VOLUME /data", "EXPOSE 8080", "STOPSIGNAL SIGTERM",
		`ENTRYPOINT ["/bellhop"]`, `CMD ["/bellhop", "health"]`, "BELLHOP_ADDR=0.0.0.0:8080", "BELLHOP_DATA_DIR=/data",
		"/etc/ssl/certs/ca-certificates.crt",
	} {
		if !strings.Contains(last, line) {
			t.Errorf("the last stage lacks %s", line)
		}
	}
}
