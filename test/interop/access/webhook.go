package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/wait"
	api "k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	authorizationmetrics "k8s.io/apiserver/plugin/pkg/authorizer/webhook"
	"k8s.io/apiserver/plugin/pkg/authorizer/webhook/metrics"
	"k8s.io/client-go/rest"
)

// ReviewCase is a question to a webhook, and what that says.
type ReviewCase struct {
	Version    string   `json:"version"`
	Sender     User     `json:"sender"`
	Verb       string   `json:"verb"`
	Resource   []string `json:"resource,omitempty"` // group, version, resource, subresource, namespace, name
	Path       string   `json:"path,omitempty"`
	Fields     string   `json:"fields,omitempty"`
	Labels     string   `json:"labels,omitempty"`
	Conditions []string `json:"conditions,omitempty"`
	Deny       bool     `json:"deny,omitempty"` // on error
	Code       int      `json:"code"`
	Answer     string   `json:"answer"`

	Asked    []string `json:"asked"`
	Decision int      `json:"decision"`
	Reason   string   `json:"reason,omitempty"`
	Error    string   `json:"error,omitempty"`
}

func (c *ReviewCase) answer() {
	c.Asked, c.Reason, c.Error = []string{}, "", ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.Asked = append(c.Asked, string(body))
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(c.Code)
		w.Write([]byte(c.Answer))
	}))
	defer server.Close()
	a := authorizer.AttributesRecord{User: &user.DefaultInfo{Name: c.Sender.Name, UID: c.Sender.UID, Groups: c.Sender.Groups, Extra: c.Sender.Extra}, Verb: c.Verb, Path: c.Path}
	if r := c.Resource; r != nil {
		a.ResourceRequest = true
		a.APIGroup, a.APIVersion, a.Resource, a.Subresource, a.Namespace, a.Name = r[0], r[1], r[2], r[3], r[4], r[5]
		if c.Fields != "" {
			s, err := fields.ParseSelector(c.Fields)
			if err != nil {
				panic(err)
			}
			a.FieldSelectorRequirements = s.Requirements()
		}
		if c.Labels != "" {
			s, err := labels.Parse(c.Labels)
			if err != nil {
				panic(err)
			}
			a.LabelSelectorRequirements, _ = s.Requirements()
		}
	}
	onError := authorizer.DecisionNoOpinion
	if c.Deny {
		onError = authorizer.DecisionDeny
	}
	var conditions []api.WebhookMatchCondition
	for _, e := range c.Conditions {
		conditions = append(conditions, api.WebhookMatchCondition{Expression: e})
	}
	backoff := wait.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 5}
	w, err := authorizationmetrics.New(&rest.Config{Host: server.URL}, c.Version, time.Minute, time.Minute, backoff, onError, conditions, "name", metrics.NoopAuthorizerMetrics{}, authorizationcel.NewDefaultCompiler())
	if err != nil {
		c.Error = "new: " + err.Error()
		return
	}
	d, reason, err := w.Authorize(context.Background(), a)
	c.Decision, c.Reason = int(d), reason
	if err != nil {
		c.Error = err.Error()
	}
	for i := range c.Asked {
		var v any
		json.Unmarshal([]byte(c.Asked[i]), &v)
	}
}
