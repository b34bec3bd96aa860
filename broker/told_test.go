package broker

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bellhop/internal/testenv"
)

// Every transition is told what its script reads: no more, no less.
func TestScriptsReadWhatTheyAreTold(t *testing.T) {
	told := map[string]any{
		"abandon": overdueArgs{}, "accept": acceptArgs{}, "claim": claimArgs{}, "end": endArgs{}, "idle": overdueArgs{}, "join": joinArgs{},
		"label": labelArgs{}, "leave": leaveArgs{}, "offer": offerArgs{}, "open": openArgs{}, "patience": patienceArgs{}, "rate": ratingArgs{},
		"reopen": reopenArgs{}, "requeue": requeueArgs{}, "takeover": takeoverArgs{}, "whisper": whisperArgs{}, "withdraw": withdrawArgs{},
	}
	for script := range steps(t) {
		assert.Contains(t, told, script, "what is it told?")
	}
	for script, args := range told {
		but := []string{"rules"} // Broker.ruled adds it
		if script == "takeover" {
			but = append(but, "bot") // a supervisor is none
		}
		testenv.ReadsAll(t, script, args, but...)
	}
	testenv.ReadsAll(t, "take", takeArgs{})
	testenv.ReadsAll(t, "beat", beatArgs{})
}

// Every step of a session's life is in the matrix of TestEveryTransitionInEveryState.
func TestTheMatrixHasEveryStep(t *testing.T) {
	paths, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	run := map[string]bool{}
	for _, path := range paths {
		code, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\bg\.(?:run|b\.mustRun|b\.store\.Run)\([^"\n]*"(\w+)"`).FindAllStringSubmatch(string(code), -1) {
			run[m[1]] = true // g is a stage of the matrix
		}
	}
	for script := range steps(t) {
		assert.True(t, run[script], "matrix, in scripts_test.go, has no row that runs %s", script)
	}
}

// steps are the scripts of scripts/sessions that change a session's state and say so in its log.
func steps(t *testing.T) map[string]bool {
	t.Helper()
	paths, err := filepath.Glob("../scripts/sessions/*.lua")
	require.NoError(t, err)
	out := map[string]bool{}
	for _, path := range paths {
		code, err := os.ReadFile(path)
		require.NoError(t, err)
		name := strings.TrimSuffix(filepath.Base(path), ".lua")
		if strings.Contains(string(code), "ARGV: a = JSON") && strings.Contains(string(code), "outbox") {
			out[name] = true
		}
	}
	require.Greater(t, len(out), 12)
	return out
}
