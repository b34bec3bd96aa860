package broker

import (
	"context"

	"bellhop/broker/chat"
)

// relations are all that an actor is to a session. The error is of the log: see tookPart.
func (b *Broker) relations(ctx context.Context, a chat.Actor, st *chat.Snapshot) (chat.Relation, error) {
	is := st.Relations(a)
	if is&chat.AnyStaff == 0 || !st.Unsure[chat.Who(a.Role, a.ID)] {
		return is, nil
	}
	took, err := b.tookPart(ctx, st, chat.Who(a.Role, a.ID))
	if took {
		is |= st.Former()
	}
	return is, err
}

// judge is nil if the actor may do that with the session, else what it is told.
func (b *Broker) judge(ctx context.Context, a chat.Actor, action chat.Action, st *chat.Snapshot) error {
	rule := chat.Table[action]
	if rule.Verdict(st.Relations(a)) == "" { // without a look at the log
		return nil
	}
	is, err := b.relations(ctx, a, st)
	if err != nil {
		return err
	}
	switch code := rule.Verdict(is); code {
	case "":
		return nil
	case chat.CodeWrongState:
		return &chat.Error{Code: code, Message: "not while the session is " + string(st.State), State: st.State}
	default:
		return chat.Errorf(code, "this is not yours to do")
	}
}
