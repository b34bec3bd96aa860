package client

import (
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
)

// File is an upload as the server describes it; it is the Body of the message
// that sends it.
type File struct {
	URL       string  `json:"url"`
	Name      string  `json:"name"`
	Size      int64   `json:"size"` // bytes
	Mime      string  `json:"mime"`
	Width     int     `json:"width,omitempty"`
	Height    int     `json:"height,omitempty"`
	Duration  float64 `json:"duration,omitempty"` // seconds
	Thumbnail string  `json:"thumbnail,omitempty"`
}

// Upload uploads a file by the API's key or token. It reads r once and holds none of it.
func (a API) Upload(ctx context.Context, name string, r io.Reader) (File, error) {
	body, pipe := io.Pipe()
	form := multipart.NewWriter(pipe)
	go func() {
		var err error
		if strings.ContainsAny(name, "\"\\%\r\n") { // in the file's own head they may be read as something else
			err = form.WriteField("name", name)
		}
		var part io.Writer
		if err == nil {
			part, err = form.CreateFormFile("file", name)
		}
		if err == nil {
			_, err = io.Copy(part, r)
		}
		if err == nil {
			err = form.Close()
		}
		_ = pipe.CloseWithError(err)
	}()
	defer func() { _ = body.Close() }() // ends the goroutine where the server answered early
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(a.BaseURL, "/")+"/api/v1/files", body)
	if err != nil {
		return File{}, err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	var f File
	return f, a.send(req, &f)
}

// Link gives links to a file, by its URL, that work for an hour without a token. They
// begin, as the file's URL does, with the path below which the server serves.
func (a API) Link(ctx context.Context, fileURL string) (url, thumbnail string, err error) {
	var out struct{ URL, Thumbnail string }
	if at := strings.Index(fileURL, "/api/v1/files/"); strings.HasPrefix(fileURL, "/") && at > 0 {
		fileURL = fileURL[at:] // BaseURL has that path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(a.BaseURL, "/")+fileURL+"/link", nil)
	if err != nil {
		return "", "", err
	}
	err = a.send(req, &out)
	return out.URL, out.Thumbnail, err
}
