// Package top shows how a deployment does now, over the metrics of its nodes and their API
// for host applications. It changes nothing, and shows neither keys nor what people write.
package top

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"bellhop/client"
)

// Options say what is looked at.
type Options struct {
	URLs  []string // of the nodes, each as CheckURL has it
	Key   string   // the host application's; "" for metrics alone, without queues and agents
	Every time.Duration
}

const (
	patience    = 3 * time.Second // for a node to answer
	peopleEvery = 5 * time.Second // how often the API is asked at most: it is dearer than metrics
)

// watcher reads nodes again and again. Its methods are called one at a time.
type watcher struct {
	opt     Options
	http    *http.Client
	nodes   []*history
	people  people
	asked   time.Time // when people were
	problem error     // why they are not known, or not any more
}

func newWatcher(o Options) *watcher {
	w := &watcher{opt: o, http: &http.Client{Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // nor give the key to others
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}}
	for range o.URLs {
		w.nodes = append(w.nodes, &history{})
	}
	return w
}

func (w *watcher) close() { w.http.CloseIdleConnections() }

// look reads all nodes at once, and the API where it is time.
func (w *watcher) look(ctx context.Context) View {
	nodes := make([]Node, len(w.opt.URLs))
	done := make(chan struct{})
	for i := range nodes {
		go func() {
			nodes[i] = w.node(ctx, i)
			done <- struct{}{}
		}()
	}
	for range nodes {
		<-done
	}
	v := View{At: time.Now(), Nodes: nodes}
	for i, n := range nodes {
		if n.Err == nil {
			v.Totals.add(*w.nodes[i])
		}
	}
	if w.opt.Key != "" && time.Since(w.asked) >= peopleEvery {
		w.asked = time.Now()
		w.askAny(ctx, nodes)
	}
	v.Queues, v.Agents, v.Problem = w.people.queues, w.people.agents, w.problem
	return v
}

func (w *watcher) node(ctx context.Context, i int) Node {
	n := Node{Name: nameOf(w.opt.URLs[i])}
	base := strings.TrimSuffix(w.opt.URLs[i], "/")
	s, err := scrape(ctx, w.http, base)
	if err != nil {
		n.Err = err
		return n
	}
	if n.Ready, n.Err = ready(ctx, w.http, base); n.Err != nil {
		return n
	}
	*w.nodes[i] = w.nodes[i].add(s)
	n.tell(*w.nodes[i])
	return n
}

// askAny asks the first node that answers; what was known before stays until then.
func (w *watcher) askAny(ctx context.Context, nodes []Node) {
	w.problem = errors.New("no node answers")
	for i, n := range nodes {
		if n.Err != nil {
			continue
		}
		p, err := ask(ctx, client.API{BaseURL: w.opt.URLs[i], Key: w.opt.Key, HTTP: w.http})
		if w.problem = err; err == nil {
			w.people = p
			return
		}
		if errors.Is(err, ErrKey) {
			return
		}
	}
}

// first is a view with rates, of two readings. ErrKey: the key is not good.
func (w *watcher) first(ctx context.Context) (View, error) {
	v := w.look(ctx)
	if errors.Is(v.Problem, ErrKey) {
		return v, v.Problem
	}
	select {
	case <-ctx.Done():
		return v, ctx.Err()
	case <-time.After(min(w.opt.Every, time.Second)):
	}
	return w.look(ctx), nil
}

// Once prints one view as plain text, so many columns wide. ErrKey: the key is not good;
// another error where no node answers, which has been printed, too.
func Once(ctx context.Context, o Options, width int, to io.Writer) error {
	w := newWatcher(o)
	defer w.close()
	v, err := w.first(ctx)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(to, plain(v, width)); err != nil {
		return err
	}
	if v.answering() == 0 {
		return errors.New("no node answers")
	}
	return nil
}

// Run shows a terminal what changes, until its user leaves or ctx ends. ErrKey: the key is not good.
func Run(ctx context.Context, o Options, terminal *os.File) error {
	w := newWatcher(o)
	defer w.close()
	v := w.look(ctx)
	if errors.Is(v.Problem, ErrKey) {
		return v.Problem
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // whatever is asked of nodes meanwhile
	_, err := tea.NewProgram(newModel(ctx, w, v), tea.WithContext(ctx), tea.WithOutput(terminal), tea.WithoutSignalHandler()).Run()
	if ctx.Err() != nil {
		return nil
	}
	return err
}
