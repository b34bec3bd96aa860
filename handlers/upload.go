package handlers

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
	"bellhop/files"
)

const (
	uploadRoom  = 64 << 10 // what a form may have besides its file, in bytes
	partRoom    = 16 << 10 // what may stand before its file, and what after it
	maxBoundary = 70       // of a form's boundary, in bytes (RFC 2046, 5.1.1)
)

// errPart says that a form has more beside its file than partRoom.
var errPart = errors.New("the form has too much beside its file")

// formReader counts what is read beside the file: package multipart would take up
// to 10 MiB of a part's header into memory, some of it several times.
type formReader struct {
	r      io.Reader
	room   int  // what may still be read beside the file
	inFile bool // the file is being read
	over   bool // there was more: package multipart does not always pass the error on
}

func (f *formReader) Read(p []byte) (int, error) {
	if f.inFile {
		return f.r.Read(p)
	}
	if f.room == 0 {
		f.over = true
		return 0, errPart
	}
	n, err := f.r.Read(p[:min(len(p), f.room)])
	f.room -= n
	return n, err
}

// beside says that what is read now is not the file.
func (f *formReader) beside() { f.inFile, f.room = false, partRoom }

// refusal is what a form answers that has not what it must beside its file.
func (f *formReader) refusal(err error, message string) error {
	if f.over {
		err = errPart
	}
	return uploadError(err, message)
}

// uploadForm is a form whose file is to be read next.
type uploadForm struct {
	*formReader
	parts *multipart.Reader
	file  *multipart.Part
	name  string // of the file
}

// browserName undoes what browsers do to the name of a form's file: these three
// they escape, and nothing else (HTML, "multipart/form-data encoding algorithm").
var browserName = strings.NewReplacer("%22", `"`, "%0D", "\r", "%0A", "\n")

// openForm goes to the file of a form. Before it may stand a field with its name.
func openForm(c *gin.Context) (*uploadForm, error) {
	kind, params, err := mime.ParseMediaType(c.GetHeader("Content-Type"))
	boundary := params["boundary"]
	if err != nil || kind != "multipart/form-data" || boundary == "" || len(boundary) > maxBoundary {
		return nil, chat.Errorf(chat.CodeBadRequest, "a form (multipart/form-data) with one file, in the field file")
	}
	body := &formReader{r: http.MaxBytesReader(c.Writer, c.Request.Body, files.MaxSize+uploadRoom)}
	body.beside()
	form := &uploadForm{formReader: body, parts: multipart.NewReader(body, boundary)}
	var named []byte
	form.file, err = form.parts.NextPart()
	if err == nil && form.file.FormName() == "name" {
		if named, err = io.ReadAll(form.file); err == nil {
			form.file, err = form.parts.NextPart()
		}
	}
	if err != nil || form.file.FormName() != "file" {
		return nil, body.refusal(err, "the form's first field must be file, or name and then file")
	}
	if form.name = string(named); named == nil {
		form.name = browserName.Replace(form.file.FileName())
	}
	body.inFile = true
	return form, nil
}

func (s *Server) upload(c *gin.Context, a chat.Actor) (any, error) {
	ctx := c.Request.Context()
	most := int64(files.MaxSize)
	if n := c.Request.ContentLength; n > 0 {
		most = min(most, n)
	}
	room, err := s.broker.AllowUpload(ctx, a, most)
	if err != nil {
		return nil, err
	}
	f, err := s.receive(ctx, c, a)
	kept := int64(0)
	if f != nil {
		kept = f.Size
	}
	if failed := room.Keep(ctx, kept); failed != nil {
		s.log.WarnContext(c.Request.Context(), "an upload counts for more than it has; for a day", "error", failed)
	}
	if err != nil {
		return nil, err
	}
	out := fileAnswer{URL: s.opt.BasePath + chat.FilesPath + f.ID, Name: f.Name, Size: f.Size, Mime: f.Mime, Width: f.Width, Height: f.Height, Duration: f.Duration}
	if f.Width > 0 {
		out.Thumbnail = out.URL + "/thumbnail"
	}
	return out, nil
}

// receive stores the file of a form. With an error there may be one, too: it is
// never sent, and goes by itself.
func (s *Server) receive(ctx context.Context, c *gin.Context, a chat.Actor) (*files.File, error) {
	form, err := openForm(c)
	if err != nil {
		return nil, err
	}
	f, err := s.opt.Files.Put(ctx, fileReader(s.broker, a).Who, form.name, form.file)
	if err != nil {
		return nil, uploadError(err, "the upload broke off")
	}
	form.beside()
	if _, err := form.parts.NextPart(); !errors.Is(err, io.EOF) {
		return f, form.refusal(err, "one file at a time, and nothing else in the form")
	}
	return f, nil
}

// uploadError is what a form that cannot be read to its end answers.
func uploadError(err error, message string) error {
	var big *http.MaxBytesError
	var odd textproto.ProtocolError
	switch {
	case errors.As(err, &big):
		return fileError(files.ErrTooLarge)
	case errors.Is(err, errPart):
		return chat.Errorf(chat.CodeTooLarge, "form: at most %d KiB before and after the file, its name included", partRoom>>10)
	case errors.Is(err, files.ErrTooLarge), errors.Is(err, files.ErrEmpty):
		return fileError(err)
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &odd), strings.Contains(err.Error(), "multipart:"):
		return chat.Errorf(chat.CodeBadRequest, "%s", message)
	}
	return fileError(err)
}
