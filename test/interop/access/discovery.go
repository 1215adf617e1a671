package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	apidiscovery "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/discovery/aggregated"
	"k8s.io/component-base/metrics/legacyregistry"
)

// DiscoveryCase is what servers of one store serve, each as `apps v1 a,b|v2 c; batch v1 jobs`: groups in their order,
// versions in theirs, a verb behind a colon, a mark at what is stale.
type DiscoveryCase struct {
	ID     string            `json:"id"`
	Local  string            `json:"local"`
	Peers  map[string]string `json:"peers"`
	Merged string            `json:"merged"`
}

// AcceptCase is an Accept header and which document it brings.
type AcceptCase struct {
	Accept string `json:"accept"`
	// local, merged or unaggregated.
	Document    string `json:"document"`
	ContentType string `json:"contentType"`
}

// WholeCase is the same with whole documents.
type WholeCase struct {
	ID     string                                      `json:"id"`
	Local  []apidiscovery.APIGroupDiscovery            `json:"local"`
	Peers  map[string][]apidiscovery.APIGroupDiscovery `json:"peers"`
	Merged []apidiscovery.APIGroupDiscovery            `json:"merged"`
}

type PeerDiscovery struct {
	Merges  []DiscoveryCase `json:"merges"`
	Wholes  []WholeCase     `json:"wholes"`
	Accepts []AcceptCase    `json:"accepts"`
	Metrics []string        `json:"metrics"`
}

func groupsOf(text string) []apidiscovery.APIGroupDiscovery {
	groups := []apidiscovery.APIGroupDiscovery{}
	for _, part := range strings.Split(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, rest, _ := strings.Cut(part, " ")
		group := apidiscovery.APIGroupDiscovery{ObjectMeta: metav1.ObjectMeta{Name: name}}
		for _, v := range strings.Split(rest, "|") {
			version, resources, _ := strings.Cut(v, " ")
			made := apidiscovery.APIVersionDiscovery{Version: version, Freshness: apidiscovery.DiscoveryFreshnessCurrent}
			if freshness, found := strings.CutSuffix(version, "!"); found {
				made.Version, made.Freshness = freshness, apidiscovery.DiscoveryFreshnessStale
			}
			for _, r := range strings.FieldsFunc(resources, func(c rune) bool { return c == ',' }) {
				resource, verb, _ := strings.Cut(r, ":")
				one := apidiscovery.APIResourceDiscovery{Resource: resource, Scope: apidiscovery.ScopeCluster}
				if verb != "" {
					one.Verbs = []string{verb}
				}
				made.Resources = append(made.Resources, one)
			}
			group.Versions = append(group.Versions, made)
		}
		groups = append(groups, group)
	}
	return groups
}

func textOf(groups []apidiscovery.APIGroupDiscovery) string {
	parts := []string{}
	for _, group := range groups {
		versions := []string{}
		for _, v := range group.Versions {
			resources := []string{}
			for _, r := range v.Resources {
				resources = append(resources, strings.TrimSuffix(r.Resource+":"+strings.Join(r.Verbs, "+"), ":"))
			}
			mark := ""
			if v.Freshness == apidiscovery.DiscoveryFreshnessStale {
				mark = "!"
			}
			versions = append(versions, strings.TrimSpace(v.Version+mark+" "+strings.Join(resources, ",")))
		}
		parts = append(parts, group.Name+" "+strings.Join(versions, "|"))
	}
	return strings.Join(parts, "; ")
}

type knownPeers map[string][]apidiscovery.APIGroupDiscovery

func (p knownPeers) GetPeerResources() map[string][]apidiscovery.APIGroupDiscovery { return p }

func (c *DiscoveryCase) answer() {
	peers := knownPeers{}
	for id, text := range c.Peers {
		peers[id] = groupsOf(text)
	}
	c.Merged = textOf(aggregated.TestMergeResources(c.ID, groupsOf(c.Local), peers))
}

func (p *PeerDiscovery) answer() {
	for i := range p.Merges {
		p.Merges[i].answer()
	}
	for i := range p.Wholes {
		c := &p.Wholes[i]
		c.Merged = aggregated.TestMergeResources(c.ID, c.Local, knownPeers(c.Peers))
	}
	manager := aggregated.NewResourceManager("apis")
	manager.SetGroups(groupsOf("own v1 a"))
	peers := knownPeers{"b": groupsOf("other v1 b")}
	merging := aggregated.NewPeerAggregatedDiscoveryHandler("a", manager, peers, "apis")
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("unaggregated")) })
	handler := aggregated.WrapAggregatedDiscoveryToHandler(plain, manager, merging)
	for i := range p.Accepts {
		request := httptest.NewRequest("GET", "/apis", nil)
		request.Header.Set("Accept", p.Accepts[i].Accept)
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, request)
		body := recorder.Body.String()
		document := "local"
		if strings.Contains(body, "unaggregated") {
			document = "unaggregated"
		} else if strings.Contains(body, "other") {
			document = "merged"
		} else if !strings.Contains(body, "own") {
			document = body
		}
		p.Accepts[i].Document = document
		p.Accepts[i].ContentType = recorder.Header().Get("Content-Type")
	}
	families, err := legacyregistry.DefaultGatherer.Gather()
	if err != nil {
		panic(err)
	}
	p.Metrics = nil
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "aggregator_discovery") {
			for _, m := range f.GetMetric() {
				p.Metrics = append(p.Metrics, fmt.Sprintf("%s %v %s", f.GetName(), m.GetCounter().GetValue(), f.GetHelp()))
			}
		}
	}
}
