package broker

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
)

var errStub = errors.New("stub")

// Options of a Broker.
type Options struct {
	Redis      redis.UniversalClient
	Partitions int // 0: what Redis says, 16 at the first start
	SendRate   float64
	Log        *slog.Logger
	JWT        func(ctx context.Context, token string) (Identity, error) // nil: opaque tokens only
}

type Broker struct{}
type Conn struct{}

func New(ctx context.Context, o Options) (*Broker, error) { return nil, errStub }

// Close stops loops and subscribers. Connections should have been closed before.
func (b *Broker) Close(ctx context.Context) error { return nil }

// Ready: nil when Redis answers.
func (b *Broker) Ready(ctx context.Context) error { return errStub }

func (b *Broker) IssueToken(ctx context.Context, id Identity, ttl time.Duration) (token string, expires time.Time, err error) {
	return "", time.Time{}, errStub
}

// Authenticate: CodeUnauthorized for no/unknown/expired/revoked tokens; CodeUnavailable when Redis is away.
func (b *Broker) Authenticate(ctx context.Context, token string) (Identity, error) {
	return Identity{}, errStub
}
func (b *Broker) RevokeToken(ctx context.Context, token string) error               { return errStub }
func (b *Broker) RevokeParticipant(ctx context.Context, role Role, id string) error { return errStub }

// Readable: nil, or CodeNotFound / CodeForbidden (the handshake's session check).
func (b *Broker) Readable(ctx context.Context, a Actor, session string) error { return errStub }

// Connect registers a connection and delivers "hello" to the sink as its first event.
// CodeRateLimited: too many devices. device "" = made up by the broker.
func (b *Broker) Connect(ctx context.Context, id Identity, device string, sink Sink) (*Conn, error) {
	return nil, errStub
}

// ID of the connection; Identity of who it is (settings may refresh it).
func (c *Conn) ID() string         { return "" }
func (c *Conn) Identity() Identity { return Identity{} }

// Close unregisters it; the sink is not called any more afterwards. Safe to call twice.
func (c *Conn) Close(ctx context.Context) {}

// Commands. All return *Error (errors.As) and take who asks.
func (b *Broker) Open(ctx context.Context, a Actor, r OpenRequest) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Send(ctx context.Context, a Actor, r SendRequest) (SendReply, error) {
	return SendReply{}, errStub
}
func (b *Broker) Read(ctx context.Context, a Actor, session string, seq int64) (ReadReply, error) {
	return ReadReply{}, errStub
}
func (b *Broker) Typing(ctx context.Context, a Actor, session, text string) error { return errStub }
func (b *Broker) Recall(ctx context.Context, a Actor, session string, seq int64) error {
	return errStub
}
func (b *Broker) History(ctx context.Context, a Actor, r HistoryRequest) (HistoryReply, error) {
	return HistoryReply{}, errStub
}
func (b *Broker) Session(ctx context.Context, a Actor, id string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Sessions(ctx context.Context, a Actor, r SessionsRequest) (SessionsReply, error) {
	return SessionsReply{}, errStub
}
func (b *Broker) Grab(ctx context.Context, a Actor, session string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) GrabQueue(ctx context.Context, a Actor, queue string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Transfer(ctx context.Context, a Actor, r TransferRequest) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Accept(ctx context.Context, a Actor, session string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Decline(ctx context.Context, a Actor, session, reason string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Cancel(ctx context.Context, a Actor, session string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Join(ctx context.Context, a Actor, session string, silent bool) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) Leave(ctx context.Context, a Actor, session string) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) End(ctx context.Context, a Actor, r EndRequest) (Session, error) {
	return Session{}, errStub
}
func (b *Broker) SetStatus(ctx context.Context, a Actor, s Status) (StatusReply, error) {
	return StatusReply{}, errStub
}
func (b *Broker) Watch(ctx context.Context, a Actor, queues []string) ([]QueueView, error) {
	return nil, errStub
}

// Settings. Host applications and supervisors only, but QueueList: any.
func (b *Broker) QueueList(ctx context.Context, a Actor) ([]QueueSettings, error) {
	return nil, errStub
}
func (b *Broker) Queue(ctx context.Context, a Actor, id string) (QueueSettings, error) {
	return QueueSettings{}, errStub
}
func (b *Broker) PutQueue(ctx context.Context, a Actor, q QueueSettings) (QueueSettings, error) {
	return QueueSettings{}, errStub
}
func (b *Broker) DeleteQueue(ctx context.Context, a Actor, id string) error { return errStub }
func (b *Broker) AgentList(ctx context.Context, a Actor) ([]AgentInfo, error) {
	return nil, errStub
}
func (b *Broker) Agent(ctx context.Context, a Actor, id string) (AgentInfo, error) {
	return AgentInfo{}, errStub
}
func (b *Broker) PutAgent(ctx context.Context, a Actor, id string, s AgentSettings) (AgentInfo, error) {
	return AgentInfo{}, errStub
}

// AgentActor gives an actor for a host application that acts as a known agent
// (its stored queues and capacity).
func (b *Broker) AgentActor(ctx context.Context, id string) (Actor, error) { return Actor{}, errStub }
