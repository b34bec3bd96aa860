// Package timing makes the histograms by which Bellhop tells how long things take, all alike.
package timing

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Classic are the upper bounds, in seconds, for a Prometheus that does not take native
// histograms: few, since each is a series for each command and each script.
var Classic = []float64{.001, .005, .025, .1, .5, 2.5, 10}

// New is a histogram of seconds by one label, native and classic at once.
func New(name, help, label string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: Classic,
		NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 100, NativeHistogramMinResetDuration: time.Hour}, []string{label})
}
