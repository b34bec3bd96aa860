package sessions

import (
	"context"

	"bellhop/broker/chat"
)

// RelationsOf are all that an actor is to a session. The error is of the log: see tookPart.
func (rd *Reader) RelationsOf(ctx context.Context, a chat.Actor, st *chat.Snapshot) (chat.Relation, error) {
	is := st.Relations(a)
	if is&chat.AnyStaff == 0 || !st.Unsure[chat.Who(a.Role, a.ID)] {
		return is, nil
	}
	took, err := rd.TookPart(ctx, st, chat.Who(a.Role, a.ID))
	if took {
		is |= st.Former()
	}
	return is, err
}

// Judge is nil if the actor may do that with the session, else what it is told.
func (rd *Reader) Judge(ctx context.Context, a chat.Actor, action chat.Action, st *chat.Snapshot) error {
	rule := chat.Table[action]
	if rule.Verdict(st.Relations(a)) == "" { // without a look at the log
		return nil
	}
	is, err := rd.RelationsOf(ctx, a, st)
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
