package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"k8s.io/apiserver/pkg/server/egressselector"
	"k8s.io/apiserver/pkg/server/egressselector/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
)

// EgressCase is an EgressSelectorConfiguration and what is said of it when it is read, checked and put to use.
type EgressCase struct {
	Text   string   `json:"text"`
	Read   string   `json:"read"`
	Faults []string `json:"faults"`
	Make   string   `json:"make"`
}

type Egress struct {
	Cases   []EgressCase `json:"cases"`
	Metrics []string     `json:"metrics"`
}

func (c *EgressCase) answer() {
	c.Read, c.Faults, c.Make = "", nil, ""
	f, _ := os.CreateTemp("", "")
	defer os.Remove(f.Name())
	f.WriteString(c.Text)
	f.Close()
	shown := func(err error) string { return strings.ReplaceAll(err.Error(), f.Name(), "FILE") }
	config, err := egressselector.ReadEgressSelectorConfiguration(f.Name())
	if err != nil {
		c.Read = shown(err)
		return
	}
	for _, fault := range egressselector.ValidateEgressSelectorConfiguration(config) {
		c.Faults = append(c.Faults, shown(fault))
	}
	if c.Faults == nil && config != nil {
		// Of plain HTTP it panics.
		defer func() {
			if r := recover(); r != nil {
				c.Make = "panic"
			}
		}()
		if _, err := egressselector.NewEgressSelector(config); err != nil {
			c.Make = shown(err)
		}
	}
}

func (e *Egress) answer() {
	for i := range e.Cases {
		e.Cases[i].answer()
	}
	metrics.Metrics.ObserveDialStart(metrics.ProtocolGRPC, metrics.TransportUDS)
	metrics.Metrics.ObserveDialFailure(metrics.ProtocolHTTPConnect, metrics.TransportTCP, metrics.StageProxy)
	metrics.Metrics.ObserveDialLatency(time.Second, metrics.ProtocolGRPC, metrics.TransportTCP)
	e.Metrics = nil
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		panic(err)
	}
	for _, f := range families {
		if strings.Contains(f.GetName(), "egress") {
			labels := []string{}
			buckets := []string{}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
				for _, b := range m.GetHistogram().GetBucket() {
					buckets = append(buckets, fmt.Sprint(b.GetUpperBound()))
				}
			}
			e.Metrics = append(e.Metrics, strings.Join([]string{f.GetName(), strings.Join(labels, ","), strings.Join(buckets, ","), f.GetHelp()}, "|"))
		}
	}
}
