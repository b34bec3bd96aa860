package handlers

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"
	"gocloud.dev/blob"

	"bellhop/broker"
	"bellhop/broker/chat"
	"bellhop/files"
)

// Sharing tells a store of files what is sent in sessions. It is the broker's Files.
type Sharing struct {
	Store *files.Store
	// Broker is set once it has been made.
	Broker *broker.Broker
}

// Sent implements broker.Files.
func (s *Sharing) Sent(ctx context.Context, a chat.Actor, m broker.FileMessage) error {
	one, ours := sending(m)
	if !ours {
		return nil
	}
	first, err := s.Store.Sent(ctx, one, fileReader(s.Broker, a))
	if err == nil && first != nil && !hosts(first) {
		err = s.Broker.UploadSent(ctx, first.Size, first.At)
	}
	return fileError(err)
}

// Unsent implements broker.Files.
func (s *Sharing) Unsent(ctx context.Context, m broker.FileMessage) error {
	if one, ours := sending(m); ours {
		return fileError(s.Store.Unsent(ctx, one))
	}
	return nil
}

// Recalled implements broker.Files.
func (s *Sharing) Recalled(ctx context.Context, m broker.FileMessage, back bool) error {
	if one, ours := sending(m); ours {
		return fileError(s.Store.Recalled(ctx, one, back))
	}
	return nil
}

// sending tells whether a message sends a file that is kept here.
func sending(m broker.FileMessage) (files.Sending, bool) {
	id, ours := strings.CutPrefix(m.URL, chat.FilesPath)
	return files.Sending{File: id, Session: m.Session, Ref: m.Ref}, ours
}

// hostUploads is who uploads what a host application does.
const hostUploads = "host"

// hosts tells of a file that counts for no budget.
func hosts(f *files.File) bool { return f.By == hostUploads }

// fileReader is an actor as the store of files knows one.
func fileReader(b *broker.Broker, a chat.Actor) files.Reader {
	r := files.Reader{Host: a.Host && a.ID == "", Readable: func(ctx context.Context, session string) (bool, error) {
		err := b.Readable(ctx, a, session)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, &chat.Error{Code: chat.CodeForbidden}), errors.Is(err, &chat.Error{Code: chat.CodeNotFound}):
			return false, nil
		}
		return false, err
	}}
	switch {
	case r.Host:
		r.Who = hostUploads
	case a.Role.Staff():
		r.Who = "a:" + a.ID
	default:
		r.Who = "u:" + a.ID
	}
	return r
}

// fileError turns the store's errors into the protocol's.
func fileError(err error) error {
	var known *chat.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, files.ErrNotFound):
		return chat.Errorf(chat.CodeNotFound, "no such file")
	case errors.Is(err, files.ErrTooLarge):
		return chat.Errorf(chat.CodeTooLarge, "file: at most %d MiB", files.MaxSize>>20)
	case errors.Is(err, files.ErrEmpty):
		return chat.Errorf(chat.CodeBadRequest, "file: empty")
	}
	if errors.Is(err, files.ErrBusy) {
		return chat.Errorf(chat.CodeOverloaded, "too many pictures at once; nothing was stored")
	}
	return &chat.Error{Code: chat.CodeUnavailable, Message: "the store of files does not answer; try again", Err: err}
}

// fileAnswer is a file as PROTOCOL.md shows it.
type fileAnswer struct {
	URL       string  `json:"url"`
	Name      string  `json:"name"`
	Size      int64   `json:"size"`
	Mime      string  `json:"mime"`
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	Duration  float64 `json:"duration,omitempty"`
	Thumbnail string  `json:"thumbnail,omitempty"`
}

// file serves a part of a file: to those who may read it, and to whoever has a signed link.
func (s *Server) file(open func(*files.Store, context.Context, string) (*blob.Reader, error)) gin.HandlerFunc {
	// sites are whose pages may show it: the browser keeps it from others.
	serve := func(c *gin.Context, f *files.File, sites string) error {
		r, err := open(s.opt.Files, c.Request.Context(), f.ID)
		if err != nil {
			return fileError(err)
		}
		defer func() { _ = r.Close() }()
		kind, named := f.Mime, disposition(f)
		if strings.HasSuffix(c.FullPath(), "/thumbnail") {
			kind, named = "image/jpeg", thumbnailDisposition(f)
		}
		h := c.Writer.Header()
		h.Set("Content-Type", kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // a signed link is a key
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		h.Set("Cross-Origin-Resource-Policy", sites)
		h.Set("Cache-Control", "private, no-cache") // it may be recalled
		h.Set("ETag", `"`+f.ID+`"`)
		h.Set("Content-Disposition", named)
		http.ServeContent(c.Writer, c.Request, "", f.At, r)
		return nil
	}
	asked := s.as(chat.ActFiles, func(c *gin.Context, a chat.Actor) (any, error) {
		ctx := c.Request.Context()
		f, err := s.opt.Files.Stat(ctx, c.Param("id"))
		if err == nil {
			err = s.opt.Files.Allowed(ctx, f, fileReader(s.broker, a))
		}
		if err != nil {
			return nil, fileError(err)
		}
		return written{}, serve(c, f, "same-site")
	})
	return func(c *gin.Context) {
		signature := c.Query("signature")
		if signature == "" {
			asked(c)
			return
		}
		ctx := c.Request.Context()
		key, err := s.broker.FilesKey(ctx)
		if err == nil && !s.opt.Files.Signed(key, c.Param("id"), c.Query("expires"), signature) {
			err = chat.Errorf(chat.CodeForbidden, "the link has expired, or was changed")
		}
		var f *files.File
		if err == nil {
			f, err = s.opt.Files.Stat(ctx, c.Param("id"))
		}
		if err == nil {
			err = s.opt.Files.Available(ctx, f.ID)
		}
		if err == nil {
			err = serve(c, f, "cross-origin") // the link is all that it takes
		}
		if err != nil {
			problem(c, fileError(err))
		}
	}
}

// fileLink makes links for <img> and the like, which cannot send a token.
func (s *Server) fileLink(c *gin.Context, a chat.Actor) (any, error) {
	ctx := c.Request.Context()
	f, err := s.opt.Files.Stat(ctx, c.Param("id"))
	if err == nil {
		err = s.opt.Files.Allowed(ctx, f, fileReader(s.broker, a))
	}
	if err != nil {
		return nil, fileError(err)
	}
	key, err := s.broker.FilesKey(ctx)
	if err != nil {
		return nil, err
	}
	expires, signature := s.opt.Files.Sign(key, f.ID)
	q := signedQuery(expires, signature)
	address := s.opt.BasePath + chat.FilesPath + f.ID
	out := gin.H{"url": address + q, "expires": chat.Time{Time: expires}}
	if f.Width > 0 {
		out["thumbnail"] = address + "/thumbnail" + q
		out["animated"] = f.Animated
	}
	return out, nil
}
