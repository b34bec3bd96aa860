package handlers

import (
	"encoding/csv"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
	"golang.org/x/text/unicode/norm"

	"bellhop/broker/chat"
)

// stats answers as JSON or, where that is asked for, as CSV.
func (s *Server) stats(c *gin.Context, a chat.Actor) (any, error) {
	r := chat.StatsRequest{Bucket: c.Query("bucket"), Zone: c.Query("tz"), Queue: c.Query("queue"), Agent: c.Query("agent")}
	format := c.Query("format")
	if format == "" && c.NegotiateFormat("application/json", "text/csv") == "text/csv" {
		format = "csv"
	}
	if format != "" && format != "json" && format != "csv" {
		return nil, chat.Errorf(chat.CodeBadRequest, "format: json or csv")
	}
	bom, err := strconv.ParseBool(c.DefaultQuery("bom", "false"))
	if err != nil {
		return nil, chat.Errorf(chat.CodeBadRequest, "bom: true or false")
	}
	if r.Since, err = instant(c, "since"); err != nil {
		return nil, err
	}
	if r.Until, err = instant(c, "until"); err != nil {
		return nil, err
	}
	reply, err := s.broker.Stats(c.Request.Context(), a, r)
	if err != nil || format != "csv" {
		return reply, err
	}
	c.Header("Content-Type", "text/csv; charset=utf-8; header=present")
	c.Header("Content-Disposition", `attachment; filename="statistics.csv"`)
	c.Status(http.StatusOK)
	if err := writeTable(c.Writer, statsTable(&reply), bom); err != nil {
		s.log.WarnContext(c.Request.Context(), "statistics broken off", "error", err)
		panic(http.ErrAbortHandler) // half of it is out: nobody must take it for whole
	}
	return written{}, nil
}

// byteOrderMark, before a table, tells spreadsheets that it is UTF-8: else Excel takes it for the system's old code page.
const byteOrderMark = "\ufeff"

// writeTable writes a table as CSV (RFC 4180), with a byte order mark where people open it.
func writeTable(to io.Writer, table [][]string, bom bool) error {
	if bom {
		if _, err := io.WriteString(to, byteOrderMark); err != nil {
			return err
		}
	}
	w := csv.NewWriter(to)
	w.UseCRLF = true
	return w.WriteAll(table)
}

// statsHeader names the columns of the table; times are in seconds.
var statsHeader = func() []string {
	h := []string{"row", "start", "queue", "agent", "name", "waiting", "serving", "opened", "grabbed", "accepted",
		"transferred", "requeued", "ended", "abandoned", "unanswered"}
	times := func(names ...string) {
		for _, what := range names {
			for _, of := range []string{"count", "mean", "median", "p90", "p95", "p99"} {
				h = append(h, what+"_"+of)
			}
		}
	}
	times("waiting_time", "first_response", "handling")
	h = append(h, "ratings_count", "ratings_mean", "ratings_1", "ratings_2", "ratings_3", "ratings_4", "ratings_5",
		"online", "busy", "occupancy")
	times("bot_waiting_time", "bot_first_response", "bot_handling")
	return h
}()

// statsTable is one table of all there is: its first column tells what a row is of.
func statsTable(r *chat.StatsReply) [][]string {
	num := func(n int64) string { return strconv.FormatInt(n, 10) }
	at := func(t chat.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
	table := [][]string{statsHeader}
	add := func(c *chat.StatsCounts, cells ...string) {
		table = append(table, append(cells, statsCells(c)...))
	}
	add(&r.Totals, "total", at(r.Since), "", "", "", num(r.Waiting), num(r.Serving))
	for i := range r.Buckets {
		b := &r.Buckets[i]
		add(&b.StatsCounts, "bucket", at(b.Start), "", "", "", "", "")
	}
	for i := range r.Queues {
		q, id := &r.Queues[i], ""
		if q.Queue != nil {
			id = *q.Queue
		}
		add(&q.StatsCounts, "queue", at(r.Since), cell(id), "", "", num(q.Waiting), num(q.Serving))
	}
	for i := range r.Agents {
		a := &r.Agents[i]
		add(&a.StatsCounts, "agent", at(r.Since), "", cell(a.Agent), cell(a.Name), "", num(a.Serving))
	}
	return table
}

func statsCells(c *chat.StatsCounts) []string {
	var out []string
	ints := func(list ...int64) {
		for _, n := range list {
			out = append(out, strconv.FormatInt(n, 10))
		}
	}
	floats := func(list ...*float64) {
		for _, f := range list {
			if f == nil {
				out = append(out, "")
			} else {
				out = append(out, strconv.FormatFloat(*f, 'f', 3, 64))
			}
		}
	}
	ints(c.Opened, c.Grabbed, c.Accepted, c.Transferred, c.Requeued, c.Ended, c.Abandoned, c.Unanswered)
	times := func(list ...*chat.StatsTimes) {
		for _, t := range list {
			ints(t.Count)
			floats(t.Mean, t.Median, t.P90, t.P95, t.P99)
		}
	}
	times(&c.WaitingTime, &c.FirstResponse, &c.Handling)
	ints(c.Ratings.Count)
	floats(c.Ratings.Mean)
	ints(c.Ratings.Scores[:]...)
	if o := c.Occupancy; o != nil {
		floats(&o.Online, &o.Busy, o.Rate)
	} else {
		out = append(out, "", "", "")
	}
	times(&c.Bots.WaitingTime, &c.Bots.FirstResponse, &c.Bots.Handling)
	return out
}

// cell guards text that others chose: what a spreadsheet might take for a formula gets an apostrophe. Some
// skip what cannot be seen before it, some take the wide signs of CJK keyboards for the narrow ones, and where
// decimals have commas Excel begins a cell after each semicolon.
func cell(text string) string {
	parts := strings.Split(text, ";")
	for i, p := range parts {
		first, size := utf8.DecodeRuneInString(p)
		if i > 0 { // a blank is common there
			p = strings.TrimLeftFunc(p, unseen)
			first, size = utf8.DecodeRuneInString(p)
		}
		if size > 0 && (unseen(first) || strings.ContainsAny(norm.NFKC.String(p[:size]), "=+-@−|%")) {
			parts[i] = "'" + parts[i]
		}
	}
	return strings.Join(parts, ";")
}

// unseen tells what shows nothing: blanks, controls, and marks of format like a zero-width space.
func unseen(r rune) bool {
	return unicode.In(r, unicode.White_Space, unicode.Cc, unicode.Cf) || r == utf8.RuneError
}
