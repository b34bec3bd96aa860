package people

import (
	"context"
	"fmt"

	"bellhop/broker/internal/store"
)

// CapacityCheck looks whether an agent holds no more than its capacity.
func (ps *People) CapacityCheck(p store.Partition, agent string) store.Check {
	return store.Check{Promise: 4, Keys: []string{p.Load(agent), p.Profile("a:" + agent)}, Run: func(ctx context.Context) (string, error) {
		prof, load, err := ps.Agent(ctx, agent)
		if err != nil || load <= max(prof.Capacity, prof.Granted) { // a capacity lowered since takes nothing away
			return "", err
		}
		return fmt.Sprintf("%q holds %d of %d", agent, load, prof.Capacity), nil
	}}
}
