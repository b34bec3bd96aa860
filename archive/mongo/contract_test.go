package mongo

import (
	"testing"

	"bellhop/archive"
	"bellhop/archive/archivetest"
)

func TestContract(t *testing.T) {
	t.Parallel()
	archivetest.Run(t, archivetest.Small, func(t *testing.T) archive.Archive { return open(t) })
}
