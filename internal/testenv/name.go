package testenv

import (
	"fmt"
	"os"
	"sync/atomic"
)

var unique atomic.Int64

// Name is an id that no other test uses, of this process or of others on the same servers.
func Name(prefix string) string {
	return fmt.Sprintf("%s-%d-%d", prefix, os.Getpid(), unique.Add(1))
}
