// Records what Kubernetes' own modules say about access: cases as JSON on the standard input, the same with answers on
// its output. The first argument says of what kind they are; `certificates` makes its cases itself.
//
//	go run . configurations < src/apiserver/configuration/testdata/answers.json
//	go run . tokens < src/apiserver/authn/oidc/testdata/answers.json
//	go run . credentials < src/apiserver/authn/testdata/answers.json
//	go run . impersonation < src/apiserver/authz/testdata/impersonation.json
//	go run . reviews < src/apiserver/authz/testdata/reviews.json
//	go run . reconciliation < src/apiserver/authz/testdata/reconciliation.json
//	go run . discovery < src/apiserver/peer/testdata/discovery.json
//	go run . egress < src/apiserver/egress/testdata/configurations.json
//	go run . switches < src/apiserver/testdata/switches.json
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	api "k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/apis/apiserver/install"
	"k8s.io/apiserver/pkg/apis/apiserver/load"
	"k8s.io/apiserver/pkg/apis/apiserver/validation"
	authenticationcel "k8s.io/apiserver/pkg/authentication/cel"
	authorizationcel "k8s.io/apiserver/pkg/authorization/cel"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
)

type Case struct {
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Error string `json:"error"`
}

var scheme = runtime.NewScheme()
var codecs = serializer.NewCodecFactory(scheme, serializer.EnableStrict)

func init() { install.Install(scheme) }

func authentication(text string) error {
	obj, err := runtime.Decode(codecs.UniversalDecoder(), []byte(text))
	if err != nil {
		return err
	}
	c, ok := obj.(*api.AuthenticationConfiguration)
	if !ok {
		return fmt.Errorf("expected AuthenticationConfiguration, got %T", obj)
	}
	return validation.ValidateAuthenticationConfiguration(authenticationcel.NewCompiler(environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())), c, []string{"https://own.example"}).ToAggregate()
}

func authorization(text string) error {
	c, err := load.LoadFromData([]byte(text))
	if err != nil {
		return err
	}
	return validation.ValidateAuthorizationConfiguration(authorizationcel.NewDefaultCompiler(), nil, c, sets.New("AlwaysAllow", "AlwaysDeny", "ABAC", "Webhook", "RBAC", "Node"), sets.New("Webhook")).ToAggregate()
}

func encryption(text string) error {
	if obj, err := runtime.Decode(codecs.UniversalDecoder(), []byte(text)); err == nil {
		if c, ok := obj.(*api.EncryptionConfiguration); ok {
			if err := validation.ValidateEncryptionConfiguration(c, false).ToAggregate(); err == nil && strings.Contains(text, `"v2"`) {
				// Loading it would ask the plugin.
				return nil
			}
		}
	}
	f, _ := os.CreateTemp("", "")
	defer os.Remove(f.Name())
	f.WriteString(text)
	f.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := encryptionconfig.LoadEncryptionConfig(ctx, f.Name(), false, "id")
	if err != nil {
		return fmt.Errorf("%s", strings.ReplaceAll(err.Error(), f.Name(), "FILE"))
	}
	return nil
}

func read[T any]() []T {
	var cases []T
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	return cases
}

func write(cases any) {
	e := json.NewEncoder(os.Stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(cases); err != nil {
		panic(err)
	}
}

// Cases in, the same with answers out.
func main() {
	switch os.Args[1] {
	case "configurations":
		configurations()
	case "tokens":
		cases := read[TokenCase]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	case "impersonation":
		cases := read[ImpersonationCase]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	case "reviews":
		cases := read[ReviewCase]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	case "reconciliation":
		cases := read[ReconciliationCase]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	case "egress":
		var cases Egress
		if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
			panic(err)
		}
		cases.answer()
		write(cases)
	case "discovery":
		var cases PeerDiscovery
		if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
			panic(err)
		}
		cases.answer()
		write(cases)
	case "switches":
		cases := read[Switches]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	case "certificates":
		write(certificates())
	case "credentials":
		cases := read[CredentialCase]()
		for i := range cases {
			cases[i].answer()
		}
		write(cases)
	}
}

func configurations() {
	cases := read[Case]()
	for i := range cases {
		c := &cases[i]
		var err error
		switch c.Kind {
		case "authentication":
			err = authentication(c.Text)
		case "authorization":
			err = authorization(c.Text)
		case "encryption":
			err = encryption(c.Text)
		}
		c.Error = ""
		if err != nil {
			c.Error = err.Error()
		}
	}
	write(cases)
}
