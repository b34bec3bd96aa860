package handlers

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"
	"gocloud.dev/blob"

	"bellhop/broker"
	"bellhop/files"
)

const filesPath = "/api/v1/files/"

// uploadRoom is what a form may have besides its file, in bytes.
const uploadRoom = 64 << 10

// Sharing tells a store of files what is sent in sessions. It is the broker's Files.
type Sharing struct {
	Store *files.Store
	// Broker is set once it has been made.
	Broker *broker.Broker
}

// Sent implements broker.Files.
func (s *Sharing) Sent(ctx context.Context, a broker.Actor, session, url string) error {
	id, ours := strings.CutPrefix(url, filesPath)
	if !ours {
		return nil
	}
	return fileError(s.Store.Sent(ctx, id, session, fileReader(s.Broker, a)))
}

// fileReader is an actor as the store of files knows one.
func fileReader(b *broker.Broker, a broker.Actor) files.Reader {
	r := files.Reader{Host: a.Host && a.ID == "", Readable: func(ctx context.Context, session string) (bool, error) {
		err := b.Readable(ctx, a, session)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, &broker.Error{Code: broker.CodeForbidden}), errors.Is(err, &broker.Error{Code: broker.CodeNotFound}):
			return false, nil
		}
		return false, err
	}}
	switch {
	case r.Host:
		r.Who = "host"
	case a.Role.Staff():
		r.Who = "a:" + a.ID
	default:
		r.Who = "u:" + a.ID
	}
	return r
}

// fileError turns the store's errors into the protocol's.
func fileError(err error) error {
	var known *broker.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, files.ErrNotFound):
		return broker.Errorf(broker.CodeNotFound, "no such file")
	case errors.Is(err, files.ErrTooLarge):
		return broker.Errorf(broker.CodeTooLarge, "file: at most %d MiB", files.MaxSize>>20)
	case errors.Is(err, files.ErrEmpty):
		return broker.Errorf(broker.CodeBadRequest, "file: empty")
	case errors.Is(err, files.ErrPicture):
		return broker.Errorf(broker.CodeBadRequest, "file: not a readable picture, or one of too many pixels")
	}
	return &broker.Error{Code: broker.CodeUnavailable, Message: "the store of files does not answer; try again", Err: err}
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

func (s *Server) upload(c *gin.Context, a broker.Actor) (any, error) {
	if err := s.broker.AllowUpload(c.Request.Context(), a); err != nil {
		return nil, err
	}
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, files.MaxSize+uploadRoom)
	form, err := c.Request.MultipartReader()
	if err != nil {
		return nil, broker.Errorf(broker.CodeBadRequest, "a form (multipart/form-data) with one file, in the field file")
	}
	part, err := form.NextPart()
	if err != nil || part.FormName() != "file" {
		return nil, uploadError(err, "the form's first field must be file")
	}
	f, err := s.opt.Files.Put(c.Request.Context(), fileReader(s.broker, a).Who, part.FileName(), part)
	if err != nil {
		return nil, uploadError(err, "the upload broke off")
	}
	if _, err := form.NextPart(); !errors.Is(err, io.EOF) { // what has been stored is never sent, and goes by itself
		return nil, uploadError(err, "one file at a time, and nothing else in the form")
	}
	out := fileAnswer{URL: filesPath + f.ID, Name: f.Name, Size: f.Size, Mime: f.Mime, Width: f.Width, Height: f.Height, Duration: f.Duration}
	if f.Width > 0 {
		out.Thumbnail = out.URL + "/thumbnail"
	}
	return out, nil
}

// uploadError is what a form that cannot be read to its end answers.
func uploadError(err error, message string) error {
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return fileError(files.ErrTooLarge)
	case errors.Is(err, files.ErrTooLarge), errors.Is(err, files.ErrEmpty), errors.Is(err, files.ErrPicture):
		return fileError(err)
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), strings.Contains(err.Error(), "multipart:"):
		return broker.Errorf(broker.CodeBadRequest, "%s", message)
	}
	return fileError(err)
}

// file serves a part of a file: to those who may read it, and to whoever has a signed link.
func (s *Server) file(open func(*files.Store, context.Context, string) (*blob.Reader, error)) gin.HandlerFunc {
	serve := func(c *gin.Context, f *files.File) error {
		r, err := open(s.opt.Files, c.Request.Context(), f.ID)
		if err != nil {
			return fileError(err)
		}
		defer func() { _ = r.Close() }()
		kind := f.Mime
		if strings.HasSuffix(c.FullPath(), "/thumbnail") {
			kind = "image/jpeg"
		}
		h := c.Writer.Header()
		h.Set("Content-Type", kind)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-site")
		h.Set("Cache-Control", "private, max-age=3600")
		h.Set("ETag", `"`+f.ID+`"`)
		h.Set("Content-Disposition", disposition(f))
		http.ServeContent(c.Writer, c.Request, "", f.At, r)
		return nil
	}
	asked := s.as(broker.ActFiles, func(c *gin.Context, a broker.Actor) (any, error) {
		ctx := c.Request.Context()
		f, err := s.opt.Files.Stat(ctx, c.Param("id"))
		if err == nil {
			err = s.opt.Files.Allowed(ctx, f, fileReader(s.broker, a))
		}
		if err != nil {
			return nil, fileError(err)
		}
		return written{}, serve(c, f)
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
			err = broker.Errorf(broker.CodeForbidden, "the link has expired, or was changed")
		}
		var f *files.File
		if err == nil {
			f, err = s.opt.Files.Stat(ctx, c.Param("id"))
		}
		if err == nil {
			err = serve(c, f)
		}
		if err != nil {
			problem(c, fileError(err))
		}
	}
}

// disposition has the file's name (RFC 6266), and saves what is not known to be safe in a page.
func disposition(f *files.File) string {
	kind := "attachment"
	if files.Inline(f.Mime) {
		kind = "inline"
	}
	return mime.FormatMediaType(kind, map[string]string{"filename": f.Name})
}

// fileLink makes links for <img> and the like, which cannot send a token.
func (s *Server) fileLink(c *gin.Context, a broker.Actor) (any, error) {
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
	q := "?" + url.Values{"expires": {strconv.FormatInt(expires.Unix(), 10)}, "signature": {signature}}.Encode()
	out := gin.H{"url": filesPath + f.ID + q, "expires": broker.Time{Time: expires}}
	if f.Width > 0 {
		out["thumbnail"] = filesPath + f.ID + "/thumbnail" + q
	}
	return out, nil
}
