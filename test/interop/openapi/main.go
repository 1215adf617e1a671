// Writes down what OpenAPI documents are in protobuf, by gnostic-models, which Kubernetes' servers make them with:
// `go run . ../../../src/apiserver/openapi/testdata/protobuf.json`. A new document is one without bytes.
package main

import (
	"encoding/json"
	"log"
	"os"

	v2 "github.com/google/gnostic-models/openapiv2"
	v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
)

type sample struct {
	Document json.RawMessage `json:"document"`
	Bytes    []byte          `json:"bytes"`
}

func encode(version string, document []byte) ([]byte, error) {
	if version == "2" {
		parsed, err := v2.ParseDocument(document)
		if err != nil {
			return nil, err
		}
		return proto.MarshalOptions{Deterministic: true}.Marshal(parsed)
	}
	parsed, err := v3.ParseDocument(document)
	if err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(parsed)
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	samples := map[string]*sample{}
	if err := json.Unmarshal(text, &samples); err != nil {
		log.Fatal(err)
	}
	for version, s := range samples {
		if s.Bytes, err = encode(version, s.Document); err != nil {
			log.Fatal(err)
		}
	}
	out, err := json.MarshalIndent(samples, "", "  ")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(os.Args[1], append(out, '\n'), 0o644); err != nil {
		log.Fatal(err)
	}
}
