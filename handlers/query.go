package handlers

import (
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"bellhop/broker/chat"
)

// bounds reads how much of a list is asked for.
func bounds(c *gin.Context, limit *int, since, until *int64) error {
	n, err := number(c, "limit")
	if err != nil {
		return err
	}
	*limit = int(n)
	if *since, err = instant(c, "since"); err != nil {
		return err
	}
	*until, err = instant(c, "until")
	return err
}

// number reads a query parameter that is a number, not negative; 0 where there is none.
func number(c *gin.Context, name string) (int64, error) {
	text, given := c.GetQuery(name)
	if !given {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 53)
	if err != nil || n < 0 || name == "limit" && n == 0 {
		return 0, chat.Errorf(chat.CodeBadRequest, "%s: a number, not negative", name)
	}
	return n, nil
}

// instant reads a query parameter that is RFC 3339, as ms; 0 where there is none.
func instant(c *gin.Context, name string) (int64, error) {
	text, given := c.GetQuery(name)
	if !given {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return 0, chat.Errorf(chat.CodeBadRequest, "%s: a time in RFC 3339", name)
	}
	return t.UnixMilli(), nil
}
