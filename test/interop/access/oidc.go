package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	api "k8s.io/apiserver/pkg/apis/apiserver"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/plugin/pkg/authenticator/token/oidc"
)

// TokenCase is a token for an issuer that is configured so.
type TokenCase struct {
	JWT    json.RawMessage `json:"jwt"`
	Header json.RawMessage `json:"header"`
	Claims json.RawMessage `json:"claims"`
	User   json.RawMessage `json:"user,omitempty"`
	Error  string          `json:"error,omitempty"`
}

type anyKey struct{}

func (anyKey) VerifySignature(_ context.Context, jwt string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
}

func encode(raw json.RawMessage) string { return base64.RawURLEncoding.EncodeToString(raw) }

func (c *TokenCase) answer() {
	c.User, c.Error = nil, ""
	text := `{"apiVersion":"apiserver.config.k8s.io/v1","kind":"AuthenticationConfiguration","jwt":[` + string(c.JWT) + `]}`
	obj, err := runtime.Decode(codecs.UniversalDecoder(), []byte(text))
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	a, err := oidc.New(ctx, oidc.Options{
		JWTAuthenticator:     obj.(*api.AuthenticationConfiguration).JWT[0],
		KeySet:               anyKey{},
		Compiler:             authenticationcel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())),
		SupportedSigningAlgs: oidc.AllValidSigningAlgorithms(),
	})
	if err != nil {
		c.Error = "new: " + err.Error()
		return
	}
	token := encode(c.Header) + "." + encode(c.Claims) + "." + encode([]byte("x"))
	response, ok, err := a.AuthenticateToken(ctx, token)
	switch {
	case err != nil:
		c.Error = err.Error()
	case !ok:
		c.Error = "unknown"
	default:
		u := response.User
		c.User, _ = json.Marshal(map[string]any{"name": u.GetName(), "uid": u.GetUID(), "groups": u.GetGroups(), "extra": u.GetExtra()})
	}
}
