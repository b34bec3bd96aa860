package broker

import (
	"testing"

	"bellhop/internal/testenv"
)

// Every transition is told what its script reads: no more, no less.
func TestScriptsReadWhatTheyAreTold(t *testing.T) {
	for script, args := range map[string]any{
		"abandon": overdueArgs{}, "accept": acceptArgs{}, "claim": claimArgs{}, "end": endArgs{}, "idle": overdueArgs{}, "join": joinArgs{},
		"label": labelArgs{}, "leave": leaveArgs{}, "offer": offerArgs{}, "open": openArgs{}, "patience": patienceArgs{}, "rate": ratingArgs{},
		"reopen": reopenArgs{}, "requeue": requeueArgs{}, "takeover": takeoverArgs{}, "whisper": whisperArgs{}, "withdraw": withdrawArgs{},
	} {
		but := []string{"rules"} // Broker.ruled adds it
		if script == "takeover" {
			but = append(but, "bot") // a supervisor is none
		}
		testenv.ReadsAll(t, script, args, but...)
	}
}
