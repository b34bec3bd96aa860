package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// sample is one reading of a node's metrics. The zero value is a node that has counted nothing.
type sample struct {
	at      time.Time
	started time.Time
	values  map[string]float64              // counters and gauges without a label
	labels  map[string]map[string]float64   // those with one, by its value
	times   map[string]map[string]histogram // by the label's value
}

// has tells whether the node told of something: what it cannot know now, it leaves out.
func (s sample) has(name string) bool { _, ok := s.values[name]; return ok }

// maxPage bounds what is read of an answer, in bytes.
const maxPage = 16 << 20

// scrape reads a node's metrics. Its errors have no URL in them, which may hold a password.
func scrape(ctx context.Context, c *http.Client, base string) (sample, error) {
	s := sample{values: map[string]float64{}, labels: map[string]map[string]float64{}, times: map[string]map[string]histogram{}}
	// Native histograms are in this form only; their quantiles are within 5 %.
	res, err := get(ctx, c, base+"/metrics", expfmt.NewFormat(expfmt.TypeProtoDelim))
	if err != nil {
		return s, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return s, fmt.Errorf("/metrics: %s", res.Status)
	}
	s.at = time.Now()
	decoder := expfmt.NewDecoder(io.LimitReader(res.Body, maxPage), expfmt.ResponseFormat(res.Header))
	for {
		f := &dto.MetricFamily{}
		if err := decoder.Decode(f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return s, errors.New("/metrics: it cannot be read")
		}
		s.add(f)
	}
	if !s.has("bellhop_connections") {
		return s, errors.New("/metrics: these are not a node's")
	}
	s.started = time.UnixMilli(int64(s.values["process_start_time_seconds"] * 1000))
	return s, nil
}

func (s *sample) add(f *dto.MetricFamily) {
	name := f.GetName()
	for _, m := range f.GetMetric() {
		label := ""
		if l := m.GetLabel(); len(l) > 0 {
			label = l[0].GetValue()
		}
		switch {
		case m.GetHistogram() != nil:
			if s.times[name] == nil {
				s.times[name] = map[string]histogram{}
			}
			s.times[name][label] = newHistogram(m.GetHistogram())
		case label != "":
			if s.labels[name] == nil {
				s.labels[name] = map[string]float64{}
			}
			s.labels[name][label] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		default:
			s.values[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
}

// ready is what a node says of itself, in a word or two.
func ready(ctx context.Context, c *http.Client, base string) (string, error) {
	res, err := get(ctx, c, base+"/readyz", "application/json")
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var said struct {
		Redis, Archive string
		Draining       bool
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxPage)).Decode(&said); err != nil {
		return "", fmt.Errorf("/readyz: %s", res.Status)
	}
	switch {
	case said.Draining:
		return "draining", nil
	case said.Redis != "ok":
		return "no redis", nil
	case said.Archive != "ok":
		return "no archive", nil
	case res.StatusCode != http.StatusOK:
		return "not ready", nil
	}
	return isReady, nil
}

const isReady = "ready"

func get(ctx context.Context, c *http.Client, address string, accept expfmt.Format) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unquoted(err)
	}
	req.Header.Set("Accept", string(accept))
	res, err := c.Do(req)
	return res, unquoted(err)
}

// unquoted is why an address was not reached, without the address.
func unquoted(err error) error {
	var u *url.Error
	switch {
	case !errors.As(err, &u):
		return err
	case u.Timeout():
		return errors.New("no answer in time")
	}
	return u.Err
}

// CheckURL refuses what is no node's address, without quoting it.
func CheckURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("it is not http(s)://host:port, a base path after it or not")
	}
	return nil
}

// nameOf is how a node is shown: no more of its URL, which may hold a password.
func nameOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	return strings.ToLower(u.Host)
}
