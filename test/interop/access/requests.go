package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/authentication/authenticator"
	"k8s.io/apiserver/pkg/authentication/request/bearertoken"
	"k8s.io/apiserver/pkg/authentication/request/headerrequest"
	"k8s.io/apiserver/pkg/authentication/request/websocket"
	"k8s.io/apiserver/pkg/authentication/token/tokenfile"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters/impersonation"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// User is how answers show a user.
type User struct {
	Name   string              `json:"name"`
	UID    string              `json:"uid,omitempty"`
	Groups []string            `json:"groups,omitempty"`
	Extra  map[string][]string `json:"extra,omitempty"`
}

func shown(u user.Info) *User {
	if u == nil {
		return nil
	}
	return &User{u.GetName(), u.GetUID(), u.GetGroups(), u.GetExtra()}
}

// ImpersonationCase is a request that asks to be somebody, and what its sender may: `verb group resource subresource namespace name`, `*` for anything.
type ImpersonationCase struct {
	Constrained bool        `json:"constrained"`
	Sender      User        `json:"sender"`
	Headers     [][2]string `json:"headers"`
	Allowed     []string    `json:"allowed"`
	Asked       []string    `json:"asked"`
	User        *User       `json:"user,omitempty"`
	Code        int         `json:"code,omitempty"`
	Message     string      `json:"message,omitempty"`
}

func (c *ImpersonationCase) Authorize(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	parts := []string{a.GetVerb(), a.GetAPIGroup(), a.GetResource(), a.GetSubresource(), a.GetNamespace(), a.GetName()}
	c.Asked = append(c.Asked, strings.Join(append(parts, a.GetAPIVersion()), "|"))
	for _, rule := range c.Allowed {
		fits := true
		for i, want := range strings.Split(rule, "|") {
			fits = fits && (want == "*" || want == parts[i])
		}
		if fits {
			return authorizer.DecisionAllow, "", nil
		}
	}
	return authorizer.DecisionNoOpinion, "no rule", nil
}

func (c *ImpersonationCase) answer() {
	c.Asked, c.User, c.Code, c.Message = []string{}, nil, 0, ""
	meta := runtime.NewScheme()
	metav1.AddToGroupVersion(meta, schema.GroupVersion{Version: "v1"})
	metav1.AddMetaToScheme(meta)
	codec := serializer.NewCodecFactory(meta)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, _ := request.UserFrom(r.Context())
		c.User = shown(u)
	})
	handler := impersonation.WithImpersonation(inner, c, codec)
	if c.Constrained {
		handler = impersonation.WithConstrainedImpersonation(inner, c, codec)
	}
	r := httptest.NewRequest("GET", "/api/v1/namespaces/default/pods", nil)
	for _, h := range c.Headers {
		r.Header.Add(h[0], h[1])
	}
	ctx := request.WithUser(r.Context(), &user.DefaultInfo{Name: c.Sender.Name, UID: c.Sender.UID, Groups: c.Sender.Groups, Extra: c.Sender.Extra})
	ctx = request.WithRequestInfo(ctx, &request.RequestInfo{IsResourceRequest: true, Path: r.URL.Path, Verb: "list", APIPrefix: "api", APIVersion: "v1", Namespace: "default", Resource: "pods"})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(ctx))
	if c.User == nil {
		c.Code = w.Code
		body, _ := io.ReadAll(w.Body)
		var status metav1.Status
		if json.Unmarshal(body, &status) == nil {
			c.Message = status.Message
		} else {
			c.Message = string(body)
		}
	}
}

// CredentialCase is a request's headers, or a file of tokens.
type CredentialCase struct {
	Kind    string              `json:"kind"`
	Headers [][2]string         `json:"headers,omitempty"`
	Names   map[string][]string `json:"names,omitempty"`
	Text    string              `json:"text,omitempty"`
	Token   string              `json:"token,omitempty"`
	User    *User               `json:"user,omitempty"`
	Left    []string            `json:"left,omitempty"`
	Error   string              `json:"error,omitempty"`
}

func (c *CredentialCase) answer() {
	c.User, c.Error, c.Left = nil, "", nil
	echo := authenticator.TokenFunc(func(_ context.Context, token string) (*authenticator.Response, bool, error) {
		return &authenticator.Response{User: &user.DefaultInfo{Name: token}}, true, nil
	})
	var a authenticator.Request
	var err error
	switch c.Kind {
	case "bearer":
		a = bearertoken.New(echo)
	case "websocket":
		a = websocket.NewProtocolAuthenticator(echo)
	case "proxy":
		a, err = headerrequest.New(c.Names["name"], c.Names["uid"], c.Names["group"], c.Names["extra"])
	case "file":
		f, _ := os.CreateTemp("", "")
		defer os.Remove(f.Name())
		f.WriteString(c.Text)
		f.Close()
		tokens, err := tokenfile.NewCSV(f.Name())
		if err != nil {
			c.Error = strings.ReplaceAll(err.Error(), f.Name(), "FILE")
			return
		}
		if response, ok, _ := tokens.AuthenticateToken(context.Background(), c.Token); ok {
			c.User = shown(response.User)
		}
		return
	}
	if err != nil {
		c.Error = err.Error()
		return
	}
	r := httptest.NewRequest("GET", "/", nil)
	for _, h := range c.Headers {
		r.Header.Add(h[0], h[1])
	}
	response, ok, err := a.AuthenticateRequest(r)
	if err != nil {
		c.Error = err.Error()
	} else if ok {
		c.User = shown(response.User)
	}
	if c.Kind == "websocket" {
		c.Left = r.Header["Sec-Websocket-Protocol"]
	}
}
