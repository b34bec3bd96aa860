package chat

// Farewell says that a participant's device is gone, or all that it has at a node.
type Farewell struct {
	Who    string
	Queues []string // an agent's: they say for how long it may be gone
	Node   string
	Device string // "": all at the node
	Conn   string // of the device; if another one was registered since, nothing happens
	Dead   bool   // the node is, or is thought to be
}

// Registered is what became of a device's registration.
type Registered struct {
	Replaced bool // not registered: another connection of the device came after this one
	Assigned bool // queues and capacity are set, of an agent
	Queues   []string
	Capacity int
}
