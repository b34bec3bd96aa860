package handlers

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyPatience bounds what monitoring asks.
const readyPatience = 2 * time.Second

// metrics are the node's own, and the archive's lag, which all nodes see alike.
func (s *Server) metrics() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s)
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorLog: nil})
}

var (
	connections     = prometheus.NewDesc("bellhop_connections", "WebSockets open at this node.", nil, nil)
	draining        = prometheus.NewDesc("bellhop_draining", "1 while this node hands its connections over.", nil, nil)
	panics          = prometheus.NewDesc("bellhop_panics_total", "Panics that ended one client's connection or request here, and nothing else: each is a bug, and in the log.", nil, nil)
	scriptsRun      = prometheus.NewDesc("bellhop_redis_scripts_total", "Scripts this node has run in Redis.", nil, nil)
	archived        = prometheus.NewDesc("bellhop_archive_messages_total", "Messages the archive has acknowledged to this node.", nil, nil)
	archiveRefused  = prometheus.NewDesc("bellhop_archive_refused_total", "Messages and sessions the archive will not take, each time they were tried.", nil, nil)
	archiveFailed   = prometheus.NewDesc("bellhop_archive_failed_writes_total", "Writes to the archive that failed and were tried again.", nil, nil)
	lagMessages     = prometheus.NewDesc("bellhop_archive_lag_messages", "Messages the archive lacks.", nil, nil)
	lagSeconds      = prometheus.NewDesc("bellhop_archive_lag_seconds", "Age of the oldest change the archive lacks.", nil, nil)
	lagSessions     = prometheus.NewDesc("bellhop_archive_lag_sessions", "Sessions of which the archive lacks something.", nil, nil)
	hookDelivered   = prometheus.NewDesc("bellhop_webhook_delivered_total", "Events the webhook has taken from this node.", nil, nil)
	hookFailed      = prometheus.NewDesc("bellhop_webhook_failed_attempts_total", "Attempts of this node's that the webhook did not take.", nil, nil)
	hookDead        = prometheus.NewDesc("bellhop_webhook_dead_total", "Events this node has given up.", nil, nil)
	hookDropped     = prometheus.NewDesc("bellhop_webhook_dead_dropped_total", "Dead letters that had to make room for newer ones: these are lost.", nil, nil)
	hookLetters     = prometheus.NewDesc("bellhop_webhook_dead_letters", "Events that were given up and wait to be replayed or removed.", nil, nil)
	hookSeconds     = prometheus.NewDesc("bellhop_webhook_lag_seconds", "Age of the oldest event the webhook has not taken yet.", nil, nil)
	hookSessions    = prometheus.NewDesc("bellhop_webhook_lag_sessions", "Sessions with events the webhook has not taken yet.", nil, nil)
	fallen          = prometheus.NewDesc("bellhop_redis_fallbacks_total", "Partitions that this node saw at another server, or with keys that went back.", nil, nil)
	feedResets      = prometheus.NewDesc("bellhop_resets_total", "Conversations that were told here to begin anew, since Redis had lost messages that were delivered.", nil, nil)
	lostMessages    = prometheus.NewDesc("bellhop_redis_lost_messages_total", "Messages delivered here that Redis did not have any more.", nil, nil)
	recovered       = prometheus.NewDesc("bellhop_recovered_sessions_total", "Sessions this node brought back from the archive, which was ahead of Redis.", nil, nil)
	superseded      = prometheus.NewDesc("bellhop_superseded_messages_total", "Archived messages whose seq is another's now.", nil, nil)
	rectified       = prometheus.NewDesc("bellhop_rectified_places_total", "Places in agents' loads that were not what their sessions said.", nil, nil)
	partitions      = prometheus.NewDesc("bellhop_partitions", "Partitions of the deployment.", nil, nil)
	masters         = prometheus.NewDesc("bellhop_redis_masters", "Masters of the cluster that hold slots; 1 without a cluster.", nil, nil)
	idleMasters     = prometheus.NewDesc("bellhop_redis_idle_masters", "Masters that hold no partition, and so have nothing to do.", nil, nil)
	archiveSetAside = prometheus.NewDesc("bellhop_archive_set_aside_sessions", "Sessions with messages that the archive refused; they stay in Redis.", nil, nil)
)

// Describe implements prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, draining, panics, scriptsRun, archived, archiveRefused, archiveFailed,
		lagMessages, lagSeconds, lagSessions, archiveSetAside, hookDelivered, hookFailed, hookDead, hookDropped,
		hookLetters, hookSeconds, hookSessions, fallen, feedResets, lostMessages, recovered, superseded, rectified,
		partitions, masters, idleMasters} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	count := func(d *prometheus.Desc, v int64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	gauge(connections, float64(s.Conns()))
	drains := 0.0
	if s.draining.Load() {
		drains = 1
	}
	gauge(draining, drains)
	stats := s.broker.ArchiveStats()
	count(panics, s.panics.Load()+s.broker.Panics())
	count(scriptsRun, s.broker.ScriptsRun())
	count(archived, stats.Saved)
	count(archiveRefused, stats.Refused)
	count(archiveFailed, stats.Failed)
	falls := s.broker.Fallbacks()
	count(fallen, falls.Seen)
	count(feedResets, falls.Resets)
	count(lostMessages, falls.Lost)
	count(recovered, falls.Recovered)
	count(superseded, falls.Superseded)
	count(rectified, falls.Placed)
	hooks := s.broker.HookStats()
	count(hookDelivered, hooks.Delivered)
	count(hookFailed, hooks.Failed)
	count(hookDead, hooks.Dead)
	count(hookDropped, hooks.Dropped)
	ctx, cancel := context.WithTimeout(s.ctx, readyPatience)
	defer cancel()
	spread, err := s.broker.Spread(ctx)
	gauge(partitions, float64(spread.Partitions))
	if err != nil {
		ch <- prometheus.NewInvalidMetric(masters, err)
		return
	}
	gauge(masters, float64(spread.Masters))
	gauge(idleMasters, float64(spread.Masters-spread.Used))
	behind, err := s.broker.HookLag(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(hookSeconds, err)
		return
	}
	gauge(hookLetters, float64(behind.Dead))
	gauge(hookSeconds, float64(behind.Seconds))
	gauge(hookSessions, float64(behind.Sessions))
	lag, err := s.broker.Lag(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(lagMessages, err)
		return
	}
	gauge(lagMessages, float64(lag.Messages))
	gauge(lagSeconds, float64(lag.Seconds))
	gauge(lagSessions, float64(lag.Sessions))
	gauge(archiveSetAside, float64(lag.Aside))
}
