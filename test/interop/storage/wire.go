package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"sort"

	definitionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	definitionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	jsonserializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	servicesv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
)

// wireAsk is a line of input: `kinds` lists what can be asked for, `make` an object of a kind at random, `read` what a body is,
// `own` who owns its fields when it has been written.
type wireAsk struct {
	Op         string `json:"op"`
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Seed       int64  `json:"seed"`
	// json, yaml, protobuf.
	Form string `json:"form"`
	Body []byte `json:"body"`
	// Of `own`: the object as it is, where there is one, and who writes or applies the body.
	Live        []byte `json:"live"`
	Subresource string `json:"subresource"`
	Manager     string `json:"manager"`
	Apply       bool   `json:"apply"`
	Force       bool   `json:"force"`
}

// wireForms are an object's forms, and what error kept it from having them.
type wireForms struct {
	Kinds [][2]string `json:"kinds,omitempty"`
	JSON  []byte      `json:"json,omitempty"`
	YAML  []byte      `json:"yaml,omitempty"`
	// In protobuf.
	Sent []byte `json:"sent,omitempty"`
	// When it has been stored: as JSON, and in protobuf.
	Stored   []byte `json:"stored,omitempty"`
	Protobuf []byte `json:"protobuf,omitempty"`
	Error    string `json:"error,omitempty"`
	Strict   string `json:"strict,omitempty"`
}

type wire struct {
	scheme   *runtime.Scheme
	json     runtime.Serializer
	yaml     runtime.Serializer
	strict   map[string]runtime.Serializer
	protobuf runtime.Serializer
}

func newWire() (*wire, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, definitionsv1.AddToScheme, definitionsv1beta1.AddToScheme, servicesv1.AddToScheme} {
		if err := add(s); err != nil {
			return nil, err
		}
	}
	text := func(yaml, strict bool) runtime.Serializer {
		return jsonserializer.NewSerializerWithOptions(jsonserializer.DefaultMetaFactory, s, s, jsonserializer.SerializerOptions{Yaml: yaml, Strict: strict})
	}
	return &wire{
		scheme:   s,
		json:     text(false, false),
		yaml:     text(true, false),
		strict:   map[string]runtime.Serializer{"json": text(false, true), "yaml": text(true, true)},
		protobuf: protobuf.NewSerializer(s, s),
	}, nil
}

func serveWire(in io.Reader, out io.Writer) error {
	w, err := newWire()
	if err != nil {
		return err
	}
	lines := bufio.NewReaderSize(in, 1<<20)
	answers := bufio.NewWriter(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil
		}
		var ask wireAsk
		if err := json.Unmarshal(line, &ask); err != nil {
			return err
		}
		text, err := json.Marshal(w.answer(ask))
		if err != nil {
			return err
		}
		if _, err := answers.Write(append(text, '\n')); err != nil {
			return err
		}
		if lines.Buffered() == 0 {
			if err := answers.Flush(); err != nil {
				return err
			}
		}
	}
}

func (w *wire) answer(ask wireAsk) (forms wireForms) {
	defer func() {
		if r := recover(); r != nil {
			forms.Error = fmt.Sprint("panic: ", r)
		}
	}()
	gvk := schema.FromAPIVersionAndKind(ask.APIVersion, ask.Kind)
	var object runtime.Object
	var err error
	switch ask.Op {
	case "kinds":
		return wireForms{Kinds: w.kinds()}
	case "make":
		object, err = makeObject(w.scheme, gvk, filler(ask.Seed))
		// As who sends it in JSON means it: times shorten to those that are none.
		for i := 0; i < 2 && err == nil && ask.Form == "json"; i++ {
			var text []byte
			object.GetObjectKind().SetGroupVersionKind(gvk)
			if text, err = encoded(w.json, object); err == nil {
				object, _, err = w.read(gvk, ask.Form, text)
			}
		}
	case "read":
		object, forms.Strict, err = w.read(gvk, ask.Form, ask.Body)
	case "own":
		object, err = w.own(gvk, ask)
	default:
		err = fmt.Errorf("no such thing to do: %q", ask.Op)
	}
	if err == nil {
		err = w.write(object, gvk, &forms)
	}
	if err != nil {
		forms.Error = err.Error()
	}
	return forms
}

func (w *wire) kinds() (kinds [][2]string) {
	for gvk := range w.scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal {
			continue
		}
		version, kind := gvk.ToAPIVersionAndKind()
		kinds = append(kinds, [2]string{version, kind})
	}
	sort.Slice(kinds, func(i, j int) bool {
		return kinds[i][0]+" "+kinds[i][1] < kinds[j][0]+" "+kinds[j][1]
	})
	return kinds
}

func (w *wire) read(gvk schema.GroupVersionKind, form string, body []byte) (object runtime.Object, strict string, err error) {
	into, err := w.scheme.New(gvk)
	if err != nil {
		return nil, "", err
	}
	from := map[string]runtime.Serializer{"json": w.json, "yaml": w.yaml, "protobuf": w.protobuf}[form]
	object, _, err = from.Decode(body, &gvk, into)
	if err != nil {
		return nil, "", err
	}
	if s := w.strict[form]; s != nil {
		fresh, err := w.scheme.New(gvk)
		if err != nil {
			return nil, "", err
		}
		if _, _, err := s.Decode(body, &gvk, fresh); err != nil {
			strict = err.Error()
		}
	}
	return object, strict, nil
}

// write tells an object in every form, and what is left of it where it is stored: definitions as JSON, all else in protobuf.
func (w *wire) write(object runtime.Object, gvk schema.GroupVersionKind, forms *wireForms) error {
	object.GetObjectKind().SetGroupVersionKind(gvk)
	var err error
	if forms.JSON, err = encoded(w.json, object); err != nil {
		return err
	}
	// Not for texts with control characters.
	forms.YAML, _ = encoded(w.yaml, object)
	stored, from := forms.JSON, w.json
	_, ok := object.(interface{ Marshal() ([]byte, error) })
	if ok {
		if forms.Sent, err = encoded(w.protobuf, object); err != nil {
			return err
		}
		if gvk.Group != "apiextensions.k8s.io" {
			stored, from = forms.Sent, w.protobuf
		}
	}
	if object, err = w.scheme.New(gvk); err != nil {
		return err
	}
	if _, _, err = from.Decode(stored, &gvk, object); err != nil {
		return err
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	if forms.Stored, err = encoded(w.json, object); err == nil && ok {
		forms.Protobuf, err = encoded(w.protobuf, object)
	}
	return err
}

func encoded(s runtime.Encoder, object runtime.Object) ([]byte, error) {
	var out bytes.Buffer
	err := s.Encode(object, &out)
	return out.Bytes(), err
}
