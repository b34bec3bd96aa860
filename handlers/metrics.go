package handlers

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// readyPatience bounds what monitoring asks.
const readyPatience = 2 * time.Second

// metrics are the node's own, and the archive's lag, which all nodes see alike. What cannot be
// asked now is left out: a Redis that is away must not hide what this node counts.
func (s *Server) metrics() http.Handler {
	page := sync.OnceValue(func() http.Handler { // not before somebody looks
		r := prometheus.NewRegistry()
		r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), s)
		return promhttp.HandlerFor(r, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { page().ServeHTTP(w, r) })
}

var (
	connections     = prometheus.NewDesc("bellhop_connections", "WebSockets open at this node.", nil, nil)
	roleConnections = prometheus.NewDesc("bellhop_role_connections", "WebSockets open at this node, by the participant's role.", []string{"role"}, nil)
	connLimit       = prometheus.NewDesc("bellhop_connections_limit", "WebSockets this node takes at most; 0 for no limit.", nil, nil)
	draining        = prometheus.NewDesc("bellhop_draining", "1 while this node hands its connections over.", nil, nil)
	panics          = prometheus.NewDesc("bellhop_panics_total", "Panics that ended one client's connection or request here, and nothing else: each is a bug, and in the log.", nil, nil)
	slowReaders     = prometheus.NewDesc("bellhop_slow_readers_total", "Connections this node closed since their clients did not take what was sent.", nil, nil)
	sends           = prometheus.NewDesc("bellhop_sends_total", "Messages this node was asked to send, those refused included.", nil, nil)
	acknowledged    = prometheus.NewDesc("bellhop_sends_acknowledged_total", "Messages this node acknowledged, those sent again included.", nil, nil)
	repeated        = prometheus.NewDesc("bellhop_sends_repeated_total", "Messages this node acknowledged that had been sent before under the same key.", nil, nil)
	deliveries      = prometheus.NewDesc("bellhop_deliveries_total", "Messages this node gave to connections: one that three connections get counts three times.", nil, nil)
	gaps            = prometheus.NewDesc("bellhop_gaps_filled_total", "Times this node read messages from a session's log that it had not heard of, or not yet.", nil, nil)
	gapMessages     = prometheus.NewDesc("bellhop_gap_messages_total", "Messages this node read so.", nil, nil)
	subscribersLost = prometheus.NewDesc("bellhop_subscribers_lost_total", "Connections by which this node listened to Redis that ended by themselves; each is followed by another, and by a look at all it may have missed.", nil, nil)
	nodePartitions  = prometheus.NewDesc("bellhop_node_partitions", "Partitions this node looks after; two nodes look after each.", nil, nil)
	redisUp         = prometheus.NewDesc("bellhop_redis_up", "1 where Redis answered this node's last question for its sessions.", nil, nil)
	sessions        = prometheus.NewDesc("bellhop_sessions", "Sessions that have not ended, by state.", []string{"state"}, nil)
	oldestWaiting   = prometheus.NewDesc("bellhop_waiting_oldest_seconds", "Time since the oldest of the sessions that wait was opened; 0 where none waits.", nil, nil)
	scriptsRun      = prometheus.NewDesc("bellhop_redis_scripts_total", "Scripts this node has run in Redis.", nil, nil)
	archived        = prometheus.NewDesc("bellhop_archive_messages_total", "Messages the archive has acknowledged to this node.", nil, nil)
	archiveRefused  = prometheus.NewDesc("bellhop_archive_refused_total", "Messages and sessions the archive will not take, each time they were tried.", nil, nil)
	archiveFailed   = prometheus.NewDesc("bellhop_archive_failed_writes_total", "Writes to the archive that failed and were tried again.", nil, nil)
	lagMessages     = prometheus.NewDesc("bellhop_archive_lag_messages", "Messages the archive lacks: counted where few sessions wait for it, and where many do, estimated from eight of each partition.", nil, nil)
	lagSeconds      = prometheus.NewDesc("bellhop_archive_lag_seconds", "Age of the oldest change the archive lacks.", nil, nil)
	lagSessions     = prometheus.NewDesc("bellhop_archive_lag_sessions", "Sessions of which the archive lacks something.", nil, nil)
	archiveSetAside = prometheus.NewDesc("bellhop_archive_set_aside_sessions", "Sessions with messages that the archive refused; they stay in Redis.", nil, nil)
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
)

// Describe implements prometheus.Collector.
func (s *Server) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{connections, roleConnections, connLimit, draining, panics, slowReaders, sends, acknowledged, repeated, deliveries,
		gaps, gapMessages, subscribersLost, nodePartitions, redisUp, sessions, oldestWaiting, scriptsRun, archived, archiveRefused, archiveFailed,
		lagMessages, lagSeconds, lagSessions, archiveSetAside, hookDelivered, hookFailed, hookDead, hookDropped,
		hookLetters, hookSeconds, hookSessions, fallen, feedResets, lostMessages, recovered, superseded, rectified,
		partitions, masters, idleMasters} {
		ch <- d
	}
	for _, m := range s.measured() {
		m.Describe(ch)
	}
}

// measured are the metrics that are kept as they are told.
func (s *Server) measured() []prometheus.Collector {
	return append(s.broker.Meters(), s.meters.times, s.meters.refusals)
}

// page is what one look at the metrics is written to.
type page chan<- prometheus.Metric

func (p page) gauge(d *prometheus.Desc, v float64, labels ...string) {
	p <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func (p page) count(d *prometheus.Desc, v int64) {
	p <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
}

// Collect implements prometheus.Collector.
func (s *Server) Collect(ch chan<- prometheus.Metric) {
	for _, m := range s.measured() {
		m.Collect(ch)
	}
	s.collectEdge(ch)
	s.collectNode(ch)
	ctx, cancel := context.WithTimeout(s.ctx, readyPatience)
	defer cancel()
	s.collectDeployment(ctx, ch)
}

// collectEdge tells of connections.
func (s *Server) collectEdge(p page) {
	p.gauge(connections, float64(s.Conns()))
	for i, role := range roles {
		p.gauge(roleConnections, float64(s.meters.roles[i].Load()), string(role))
	}
	p.gauge(connLimit, float64(s.opt.MaxConns))
	drains := 0.0
	if s.draining.Load() {
		drains = 1
	}
	p.gauge(draining, drains)
	p.count(slowReaders, s.meters.slow.Load())
	p.count(panics, s.panics.Load()+s.broker.Panics())
}

// collectNode tells what this node has counted.
func (s *Server) collectNode(p page) {
	c := s.broker.Counts()
	p.count(sends, c.Sends)
	p.count(acknowledged, c.Acknowledged)
	p.count(repeated, c.Repeated)
	p.count(deliveries, c.Deliveries)
	p.count(gaps, c.Gaps)
	p.count(gapMessages, c.Filled)
	p.count(subscribersLost, c.SubscribersLost)
	p.gauge(nodePartitions, float64(c.Partitions))
	p.count(scriptsRun, s.broker.ScriptsRun())
	stats := s.broker.ArchiveStats()
	p.count(archived, stats.Saved)
	p.count(archiveRefused, stats.Refused)
	p.count(archiveFailed, stats.Failed)
	falls := s.broker.Fallbacks()
	p.count(fallen, falls.Seen)
	p.count(feedResets, falls.Resets)
	p.count(lostMessages, falls.Lost)
	p.count(recovered, falls.Recovered)
	p.count(superseded, falls.Superseded)
	p.count(rectified, falls.Placed)
	hooks := s.broker.HookStats()
	p.count(hookDelivered, hooks.Delivered)
	p.count(hookFailed, hooks.Failed)
	p.count(hookDead, hooks.Dead)
	p.count(hookDropped, hooks.Dropped)
}

// collectDeployment asks Redis, so much for each partition.
func (s *Server) collectDeployment(ctx context.Context, p page) {
	now, err := s.broker.Census(ctx)
	if err != nil || s.broker.Emptied() {
		p.gauge(redisUp, 0)
		return // the rest would wait for it as long
	}
	p.gauge(redisUp, 1)
	p.gauge(sessions, float64(now.Waiting), "waiting")
	p.gauge(sessions, float64(now.Serving), "serving")
	p.gauge(sessions, float64(now.Transferring), "transferring")
	p.gauge(sessions, float64(now.Ending), "ending")
	p.gauge(oldestWaiting, float64(now.Oldest))
	if spread, err := s.broker.Spread(ctx); err != nil {
		p <- prometheus.NewInvalidMetric(masters, err)
	} else {
		p.gauge(partitions, float64(spread.Partitions))
		p.gauge(masters, float64(spread.Masters))
		p.gauge(idleMasters, float64(spread.Masters-spread.Used))
	}
	if behind, err := s.broker.HookLag(ctx); err != nil {
		p <- prometheus.NewInvalidMetric(hookSeconds, err)
	} else {
		p.gauge(hookLetters, float64(behind.Dead))
		p.gauge(hookSeconds, float64(behind.Seconds))
		p.gauge(hookSessions, float64(behind.Sessions))
	}
	if lag, err := s.broker.Lag(ctx); err != nil {
		p <- prometheus.NewInvalidMetric(lagMessages, err)
	} else {
		p.gauge(lagMessages, float64(lag.Messages))
		p.gauge(lagSeconds, float64(lag.Seconds))
		p.gauge(lagSessions, float64(lag.Sessions))
		p.gauge(archiveSetAside, float64(lag.Aside))
	}
}
