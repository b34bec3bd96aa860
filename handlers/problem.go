package handlers

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// detail are the fields of an error beside its code, the same on both edges.
type detail struct {
	By         string     `json:"by,omitempty"`
	State      chat.State `json:"state,omitempty"`
	Load       *int       `json:"load,omitempty"`
	Capacity   *int       `json:"capacity,omitempty"`
	RetryAfter int64      `json:"retryAfter,omitempty"` // ms
}

func newDetail(e *chat.Error) detail {
	d := detail{By: e.By, State: e.State, RetryAfter: e.RetryMS}
	if e.Code == chat.CodeFull {
		d.Load, d.Capacity = &e.Load, &e.Capacity
	}
	return d
}

// problemDetails is RFC 9457's object, with the code of PROTOCOL.md.
type problemDetails struct {
	Type   string    `json:"type"`
	Title  string    `json:"title"`
	Status int       `json:"status"`
	Detail string    `json:"detail"`
	Code   chat.Code `json:"code"`
	Retry  bool      `json:"retry"`
	detail
}

// problem answers with an error of the broker's, or an internal one.
func problem(c *gin.Context, err error) {
	if tooSlow(c.Request) { // whatever was made of that
		c.Header("Connection", "close")
		problemStatus(c, http.StatusRequestTimeout, chat.Errorf(chat.CodeBadRequest, "%s", errTooSlow.Error()))
		return
	}
	e := chat.AsError(err)
	if e.Code == chat.CodeRateLimited { // who asks again at once, asks more slowly
		select {
		case <-time.After(refusalPause):
		case <-c.Request.Context().Done():
		}
	}
	problemStatus(c, e.Code.Status(), e)
}

// problemStatus is for the few answers whose status is not their code's.
func problemStatus(c *gin.Context, status int, e *chat.Error) {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		c.Header("Retry-After", strconv.FormatInt(max(1, (e.RetryMS+999)/1000), 10))
	}
	if status == http.StatusUnauthorized {
		c.Header("WWW-Authenticate", "Bearer")
	}
	body, err := json.Marshal(problemDetails{"about:blank", http.StatusText(status), status, e.Message, e.Code, e.Retry(),
		newDetail(e)})
	if err != nil {
		body = []byte(`{"status":500,"code":"internal"}`)
	}
	c.Set(refusedKey, e.Code)
	c.Abort()
	c.Data(status, "application/problem+json", body)
}
