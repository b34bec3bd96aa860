package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// palette styles lines; its zero value leaves them as they are.
type palette struct{ colours bool }

func (p palette) style(s ansi.Style, line string) string {
	if !p.colours {
		return line
	}
	return s.Styled(line)
}

func (p palette) head(line string) string  { return p.style(ansi.Style{}.Bold(), line) }
func (p palette) faint(line string) string { return p.style(ansi.Style{}.Faint(), line) }
func (p palette) alarm(line string) string {
	return p.style(ansi.Style{}.ForegroundColor(ansi.Red), line)
}

// summary is what is above the tables, a line for each subject, all at most so many cells wide.
func summary(v View, width int, p palette) []string {
	t := v.Totals
	lines := []string{p.head(cut(fmt.Sprintf("%s  %d of %d nodes answer, %.0f connections", v.At.Format(time.TimeOnly), v.answering(), len(v.Nodes), t.conns), width))}
	for _, n := range v.Nodes {
		if n.Err != nil {
			lines = append(lines, p.alarm(cut(clean(fmt.Sprintf("%s does not answer: %v", n.Name, n.Err)), width)))
		}
	}
	if v.Problem != nil {
		lines = append(lines, p.alarm(cut(clean(fmt.Sprintf("queues and agents are not known: %v", v.Problem)), width)))
	}
	if v.answering() == 0 {
		return lines
	}
	say := func(format string, args ...any) { lines = append(lines, cut(fmt.Sprintf(format, args...), width)) }
	if t.known {
		say("sessions  waiting %.0f (oldest %s)  serving %.0f  transferring %.0f  ending %.0f", t.sessions["waiting"], seconds(t.oldest),
			t.sessions["serving"], t.sessions["transferring"], t.sessions["ending"])
	} else {
		lines = append(lines, p.alarm(cut("sessions  Redis answers no node: sessions and lags are not known", width)))
	}
	say("rates     %s messages/s  %s delivered/s  %s grabs/s", rate(t.sends), rate(t.deliveries), rate(t.grabs))
	say("send      p50 %s  p99 %s, from arrival to acknowledgement", short(t.sendTimes.quantile(.5)), short(t.sendTimes.quantile(.99)))
	say("redis     p50 %s  p99 %s  %s scripts/s  %s errors/s", short(t.scriptTimes.quantile(.5)), short(t.scriptTimes.quantile(.99)), rate(t.scripts), rate(t.redisErrors))
	if t.known {
		say("archive   lag %s, %.0f messages, %.0f sessions set aside", seconds(t.archiveSeconds), t.archiveMessages, t.aside)
		say("events    lag %s, %.0f sessions, %.0f dead letters", seconds(t.hookSeconds), t.hookSessions, t.hookDead)
	}
	refused := "none"
	for i, code := range t.refused() {
		if i == 0 {
			refused = ""
		}
		refused += fmt.Sprintf("%s %s/s  ", code, rate(t.refusals[code]))
	}
	say("refused   %s", strings.TrimSpace(refused))
	return lines
}

func seconds(s float64) string { return span(time.Duration(s * float64(time.Second))) }

func cut(line string, width int) string { return ansi.Truncate(line, width, "…") }

// plain is all of a view as text.
func plain(v View, width int) string {
	lines := summary(v, width, palette{})
	for i, s := range sheets {
		if s.size(v) == 0 {
			continue
		}
		head, rows := s.render(v, width, firstSort[i], "", palette{})
		lines = append(append(append(lines, "", s.name()), head), rows...)
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// firstSort is what each table is sorted by at first: waiting, load, name.
var firstSort = [...]int{1, 2, 0}
