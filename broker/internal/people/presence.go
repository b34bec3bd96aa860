package people

import (
	"context"
	"encoding/json"

	"bellhop/broker/chat"
	"bellhop/broker/internal/store"
)

type connectArgs struct {
	Who      string `json:"who"`
	Agent    string `json:"agent,omitempty"`
	Device   string `json:"device"`
	Conn     string `json:"conn"`
	Max      int    `json:"max"`
	Info     string `json:"info"`
	Queues   string `json:"queues"`
	Capacity int    `json:"capacity"`
	Issued   int64  `json:"issued"`
	Again    bool   `json:"again,omitempty"` // it was told before

	Generation int64 `json:"generation"`
}

// Register says that a device of a participant is at this node, by a connection that conn
// names; again: not for the first time. CodeRateLimited: too many devices;
// CodeUnauthorized: revoked meanwhile; CodeBlocked.
func (ps *People) Register(ctx context.Context, id chat.Identity, device, conn string, again bool) (chat.Registered, error) {
	w, p := chat.Who(id.Role, id.ID), ps.store.Home(id.ID)
	args := connectArgs{Who: w, Device: device, Conn: conn, Max: chat.MaxDevices, Info: chat.Encode(id.Person()),
		Queues: chat.Encode(id.Queues), Capacity: id.Capacity, Issued: id.Issued.UnixMilli(),
		Generation: id.Generation, Again: again}
	if id.Role.Staff() {
		args.Agent = id.ID
	}
	r, err := ps.store.RunJSON(ctx, "connect", []string{p.Conns(w), p.Profile(w), p.Timers(), p.Node(ps.store.Node), p.Agents(),
		p.Load(id.ID), p.Dirty(), p.Named(), p.Stats(), p.Crews(), p.Presences()}, args, p.Waiting(""))
	if err != nil {
		return chat.Registered{}, err
	}
	switch r.Str(0) {
	case "replaced":
		return chat.Registered{Replaced: true}, nil
	case "full":
		return chat.Registered{}, &chat.Error{Code: chat.CodeRateLimited, Message: "too many devices", RetryMS: 60000}
	}
	if err := store.Refused(r); err != nil || !id.Role.Staff() {
		return chat.Registered{}, err
	}
	is := chat.Registered{Capacity: int(r.Num(2))}
	is.Assigned = json.Unmarshal([]byte(r.Str(1)), &is.Queues) == nil
	return is, nil
}

type disconnectArgs struct {
	Who    string `json:"who"`
	Agent  string `json:"agent,omitempty"`
	Node   string `json:"node"`
	Device string `json:"device,omitempty"`
	Conn   string `json:"conn,omitempty"`
	Grace  int64  `json:"grace"` // ms
	Dead   bool   `json:"dead,omitempty"`
	Keep   int64  `json:"keep"` // ms
}

// Unregister tells Redis that a device, or all of a node's, is gone. alive: nothing
// was done, since the node that was thought dead has been heard of.
func (ps *People) Unregister(ctx context.Context, f chat.Farewell) (alive bool, err error) {
	id := chat.IDOf(f.Who)
	p := ps.store.Home(id)
	args := disconnectArgs{Who: f.Who, Node: f.Node, Device: f.Device, Conn: f.Conn, Dead: f.Dead}
	if f.Who[0] == 'a' {
		args.Agent = id
	}
	r, err := ps.opt.Rules.Ruled(ctx, "disconnect", p, []string{p.Conns(f.Who), p.Profile(f.Who), p.Timers(), p.Node(f.Node), p.Nodes(), p.Rules()},
		func() any {
			if args.Agent != "" {
				args.Grace = ps.opt.Rules.Grace(f.Queues)
			}
			args.Keep = ps.opt.Rules.Keep()
			return args
		})
	return r.Str(0) == "alive", err
}
