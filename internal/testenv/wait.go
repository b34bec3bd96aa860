package testenv

import (
	"fmt"
	"time"
)

// startLimit is generous: a busy machine is no reason to fail.
const startLimit = 60 * time.Second

// eventually asks until the answer is nil, and returns the last one when the
// limit has passed.
func eventually(limit time.Duration, ask func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v: %w", limit, err)
		}
		time.Sleep(20 * time.Millisecond) // the pause between two questions
	}
}
