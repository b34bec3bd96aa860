package broker

import (
	"context"
	"time"

	"bellhop/broker/chat"
	"bellhop/broker/internal/uploads"
)

// Files keeps what participants upload.
type Files = uploads.Files

// FileMessage is a message that sends what is at a url.
type FileMessage = uploads.Message

// Upload is the room that was set aside for one upload.
type Upload = uploads.Upload

// AllowUpload counts one upload of a participant, over all nodes: 30 a minute, and
// its bytes, of which a day has Options.UploadBudget and all that was not sent
// Options.UnsentBudget. It is to be asked before the first byte is taken, with
// the most there may be; Keep tells how many there were. It answers
// CodeRateLimited, with the time to wait, beyond what one participant may,
// CodeOverloaded beyond what all may, CodeBlocked to the blocked. Host
// applications have no limit.
func (b *Broker) AllowUpload(ctx context.Context, a chat.Actor, size int64) (*Upload, error) {
	if a.Host {
		return &Upload{}, nil
	}
	who := chat.Who(a.Role, a.ID)
	if who[0] == 'u' {
		blocked, err := b.people.Blocked(ctx, a.ID)
		if err != nil {
			return nil, err
		}
		if blocked {
			return nil, chat.Errorf(chat.CodeBlocked, "blocked by an administrator")
		}
	}
	if err := b.limits.AllowUpload(ctx, who); err != nil {
		return nil, err
	}
	return b.uploads.Reserve(ctx, who, size)
}

// UploadSent takes an upload, of its size and time, out of those that were not sent.
func (b *Broker) UploadSent(ctx context.Context, size int64, at time.Time) error {
	return b.uploads.Sent(ctx, size, at)
}

// FilesKey is what all nodes sign links to files with: made by the first that
// asks, and kept in Redis only.
func (b *Broker) FilesKey(ctx context.Context) ([]byte, error) { return b.uploads.Key(ctx) }
