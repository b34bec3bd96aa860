package handlers

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// What asking costs of a participant's budget of bytes to read, beside what is
// delivered: about the work of that many bytes.
const (
	costCommand = 1 << 10  // of any command or call
	costRead    = 8 << 10  // of one message log's, or one object's
	costList    = 16 << 10 // of a list
	costSearch  = 64 << 10 // of what looks through the archive, and of a connection
	// fileShare is how many bytes of a file cost as much as one of anything else:
	// they are copied, and nothing else is done with them.
	fileShare = 16
)

// limitedPause slows down a connection whose commands are refused, so that
// refusing them costs little.
const limitedPause = 2 * time.Millisecond

// refusalPause is the same for a call over HTTP, which costs more: a token is looked up.
const refusalPause = 100 * time.Millisecond

// commandCosts are of the commands that cost something else than costCommand. A
// send has a limit of its own.
var commandCosts = map[string]int{"send": 0, "history": costRead, "sessions": costList, "watch": costList}

func commandCost(cmd string) int {
	if cost, known := commandCosts[cmd]; known {
		return cost
	}
	return costCommand
}

// routeCosts are of the calls that cost something else: costRead for a GET, costCommand for the others.
var routeCosts = map[string]int{"/api/v1/search": costSearch, "/api/v1/stats": costSearch, "/api/v1/sessions": costList,
	"/api/v1/queues": costList, "/api/v1/agents": costList, "/api/v1/canned": costList}

func routeCost(c *gin.Context) int {
	if c.Request.Method != "GET" {
		return costCommand
	}
	if cost, known := routeCosts[c.FullPath()]; known {
		return cost
	}
	return costRead
}

// delivered counts what a call has answered.
func (s *Server) delivered(c *gin.Context, a chat.Actor) {
	n := c.Writer.Size()
	switch {
	case strings.HasSuffix(c.FullPath(), "/transcript"): // has counted already
	case strings.HasPrefix(c.FullPath(), chat.FilesPath):
		s.broker.HasRead(a, n/fileShare)
	default:
		s.broker.HasRead(a, n)
	}
}

// pace counts what was delivered of something long, and waits until there may be more.
func (s *Server) pace(ctx context.Context, a chat.Actor, bytes int) error {
	s.broker.HasRead(a, bytes)
	for {
		err := s.broker.AllowRead(a, costRead)
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != chat.CodeRateLimited {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(e.RetryMS) * time.Millisecond):
		}
	}
}
