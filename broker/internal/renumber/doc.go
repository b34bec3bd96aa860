// Package renumber moves a deployment to another number of partitions: all that was
// acknowledged is there afterwards, once, and nothing that a node of before writes
// comes to it.
//
// It runs in a tool of its own, while no node serves: first what the old partitions hold is
// frozen (freeze.go), then copied (copy.go) by a rule for each kind of keys (rules.go), then
// the caller changes the deployment's record, and what is frozen goes (clean.go). Each step
// may be begun again at any time. docs/architecture.md, Partitions, says why it is safe.
//
// It owns no keys and runs no loop, but knows what all kinds of keys hold; its script is entomb.
package renumber
