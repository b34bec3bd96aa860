package chat

// Action is a command, or a call of the HTTP API that is none.
type Action string

// The commands, and the calls that differ from all of them.
const (
	ActPing     Action = "ping"
	ActOpen     Action = "open"
	ActSend     Action = "send"
	ActRead     Action = "read"
	ActTyping   Action = "typing"
	ActRecall   Action = "recall"
	ActHistory  Action = "history" // and whatever else shows one session: itself, its transcript, its files
	ActSessions Action = "sessions"
	ActGrab     Action = "grab"
	ActTransfer Action = "transfer"
	ActAccept   Action = "accept"
	ActDecline  Action = "decline"
	ActCancel   Action = "cancel"
	ActJoin     Action = "join"
	ActSilent   Action = "join silent"
	ActLeave    Action = "leave"
	ActEnd      Action = "end"
	ActReopen   Action = "reopen"
	ActRate     Action = "rate"
	ActLabel    Action = "label"
	ActWhisper  Action = "whisper"
	ActTakeOver Action = "takeover"
	ActRender   Action = "canned"
	ActStatus   Action = "status"
	ActWatch    Action = "watch"

	ActTokens     Action = "tokens"
	ActSearch     Action = "search"
	ActFiles      Action = "files"
	ActStats      Action = "stats"
	ActMoves      Action = "moves"
	ActQueues     Action = "list queues"
	ActQueue      Action = "queue"
	ActAgents     Action = "list agents"
	ActAgent      Action = "agent"
	ActSetAgent   Action = "set agent"
	ActUser       Action = "user"
	ActSetUser    Action = "set user"
	ActCanned     Action = "canned replies"
	ActDeadLetter Action = "dead letters"
)

// Relation is what an actor is to what it asks for: a set of these.
type Relation uint32

// The relations. The first are the actor's alone.
const (
	Anybody     Relation = 1 << iota // with a token or an API key
	AnyUser                          // any user
	AnyStaff                         // any agent, supervisor or bot
	Supervisor                       // any supervisor
	Host                             // a host application in its own name
	HostsAgent                       // an agent in whose name a host application acts
	SessionUser                      // the session's
	Owner                            // the agent it is with, or was with at its end
	Assistant                        // joined, and has not left
	Former                           // was its owner or an assistant of it, and is no more
	FormerAfter                      // likewise, and the session has ended
	Stayed                           // was a participant at its end
	Target                           // of the open offer
	LastTarget                       // of the last offer, which is over, whatever became of it
	OfQueue                          // staff of the session's queue
	InLine                           // likewise, and the session waits
	Watcher                          // a supervisor's connection that watches it unseen
	Sender                           // of the message
	Myself                           // the profile is the actor's own
	Acquainted                       // an agent of one of the user's sessions

	Participant = SessionUser | Owner | Assistant
	Reader      = Participant | Former | Target | InLine | Supervisor | Host
	Boss        = Supervisor | Host

	ofActor   = Anybody | AnyUser | AnyStaff | Supervisor | Host | HostsAgent
	ofUsers   = Anybody | AnyUser | SessionUser | Sender
	ofStaff   = Owner | Assistant | Former | FormerAfter | Stayed | Target | LastTarget | OfQueue | InLine | Sender | Myself | Acquainted
	ofSilence = Watcher
)

// Rule is one row of the table: who may, in which relation, and what the others are told.
type Rule struct {
	May Relation
	// Told are those who get another code than CodeForbidden.
	Told map[Relation]Code
	// Blocked: a blocked user gets CodeBlocked.
	Blocked bool
}

// Table is who may do what. Scripts check again what can change between the look and the deed;
// a test walks the table whole, over the WebSocket and HTTP, and so holds them to it, too.
var Table = map[Action]Rule{
	ActPing:     {May: Anybody},
	ActOpen:     {May: AnyUser | Host, Blocked: true},
	ActSend:     {May: Participant | Host, Blocked: true},
	ActRead:     {May: Participant},
	ActTyping:   {May: Participant},
	ActRecall:   {May: Sender},
	ActHistory:  {May: Reader},
	ActSessions: {May: Anybody}, // each its own
	ActGrab:     {May: OfQueue | Owner},
	ActTransfer: {May: Owner | Boss},
	ActAccept:   {May: Target | Owner, Told: map[Relation]Code{LastTarget: CodeWrongState}},
	ActDecline:  {May: Target, Told: map[Relation]Code{LastTarget: CodeWrongState}},
	ActCancel:   {May: Owner | Boss},
	ActJoin:     {May: OfQueue | Supervisor | Owner | Assistant},
	ActSilent:   {May: Supervisor},
	ActLeave:    {May: Assistant | Former | Watcher, Told: map[Relation]Code{Owner: CodeWrongState}},
	ActEnd:      {May: SessionUser | Owner | Boss | Stayed},
	ActReopen:   {May: SessionUser | Host, Blocked: true},
	ActRate:     {May: SessionUser | Host},
	ActLabel:    {May: Owner | Assistant | FormerAfter | Boss},
	ActWhisper:  {May: Supervisor},
	ActTakeOver: {May: Supervisor | HostsAgent},
	ActRender:   {May: Reader &^ SessionUser},
	ActStatus:   {May: AnyStaff},
	ActWatch:    {May: AnyStaff}, // supervisors any queue, others their own

	ActTokens:     {May: Host},
	ActSearch:     {May: Anybody}, // each in its own
	ActFiles:      {May: Anybody}, // each what it uploaded, and not while blocked, and what a session it may read shows
	ActStats:      {May: Boss},
	ActMoves:      {May: Boss},
	ActQueues:     {May: Anybody},
	ActQueue:      {May: Boss},
	ActAgents:     {May: AnyStaff | Host},
	ActAgent:      {May: Boss | Myself},
	ActSetAgent:   {May: Boss},
	ActUser:       {May: Boss | Acquainted},
	ActSetUser:    {May: Boss},
	ActCanned:     {May: AnyStaff | Host}, // agents write their own
	ActDeadLetter: {May: Host},
}

// Rules is a copy of the table.
func Rules() map[Action]Rule {
	out := make(map[Action]Rule, len(Table))
	for action, r := range Table {
		out[action] = r
	}
	return out
}

// Verdict is what somebody in these relations is answered: "" where it may.
func (r Rule) Verdict(is Relation) Code {
	if r.May&is != 0 {
		return ""
	}
	for relation, code := range r.Told {
		if relation&is != 0 {
			return code
		}
	}
	return CodeForbidden
}

// Relations are those of an actor alone.
func (a Actor) Relations() Relation {
	is := Anybody
	switch {
	case a.Host && a.ID == "":
		return is | Host
	case a.Role == RoleUser:
		return is | AnyUser
	case !a.Role.Staff():
		return is
	}
	if a.Host {
		is |= HostsAgent
	}
	if a.Role == RoleSupervisor {
		is |= Supervisor
	}
	return is | AnyStaff
}

// Relations are what an actor is to the session, as far as the session itself tells: see Broker.relations.
func (s *Snapshot) Relations(a Actor) Relation {
	is := a.Relations()
	if is&AnyUser != 0 && s.User.ID == a.ID {
		is |= SessionUser
	}
	if is&AnyStaff == 0 {
		return is
	}
	w := Who(a.Role, a.ID)
	_, participant := s.Counts[w]
	set := func(r Relation, holds bool) {
		if holds {
			is |= r
		}
	}
	set(Owner, s.Agent != nil && s.Agent.ID == a.ID)
	set(Assistant, participant && is&Owner == 0)
	set(Stayed, participant && s.State == Ended)
	set(Target, s.Target != nil && s.Target.ID == a.ID)
	set(LastTarget, s.Offer.last == a.ID && is&Target == 0)
	set(OfQueue, Contains(a.Queues, s.Queue))
	set(InLine, is&OfQueue != 0 && s.State == Waiting)
	set(s.Former(), !participant && s.Took[w])
	return is
}

// Former is what those are who took part once.
func (s *Snapshot) Former() Relation {
	if s.State == Ended {
		return Former | FormerAfter
	}
	return Former
}

// Allow is CodeForbidden if the actor may never do that, whatever it is to whom or what.
func Allow(a Actor, action Action) error {
	possible := a.Relations()
	switch {
	case possible&AnyUser != 0:
		possible |= ofUsers
	case possible&AnyStaff != 0:
		possible |= ofStaff
	}
	if possible&Supervisor != 0 {
		possible |= ofSilence
	}
	rule := Table[action]
	if rule.May&possible != 0 {
		return nil
	}
	for relation := range rule.Told {
		if relation&possible != 0 {
			return nil
		}
	}
	return Errorf(CodeForbidden, "this is not for your role")
}

// SeesAll tells who may see all there is.
func (a Actor) SeesAll() bool { return a.Relations()&Boss != 0 }

// May tells whether what an actor is by itself is enough.
func May(a Actor, action Action) bool { return Table[action].May&ofActor&a.Relations() != 0 }
