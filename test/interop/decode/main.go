// Writes down what Kubernetes' own decoders make of bodies and strategic merge patches:
// `go run . ../../../src/apiserver/testdata/numbers.jsonl`, or `element-orders.jsonl`. A line is
// ["decode", kind, body, [strict], [lenient]] or ["patch", kind, original, patch, [answer]], all texts; an answer is
// ["", object] or [complaint]. A new case is a line without answers.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	definitions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
)

type answer []string

func said(object any, err error) answer {
	if err != nil {
		return answer{err.Error()}
	}
	text, err := json.Marshal(object)
	if err != nil {
		return answer{err.Error()}
	}
	return answer{"", string(text)}
}

func decode(kind schema.GroupVersionKind, body string, strict bool) answer {
	options := serializer.SerializerOptions{Strict: strict}
	reader := serializer.NewSerializerWithOptions(serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, options)
	object, _, err := reader.Decode([]byte(body), &kind, nil)
	return said(object, err)
}

// patch does what the API server does: merges as maps, and makes an object of the result.
func patch(kind schema.GroupVersionKind, original, patch string) (given answer) {
	defer func() {
		if why := recover(); why != nil {
			given = answer{fmt.Sprintf("panic: %v", why)}
		}
	}()
	object, err := scheme.Scheme.New(kind)
	if err != nil {
		return said(nil, err)
	}
	if err := json.Unmarshal([]byte(original), object); err != nil {
		return said(nil, err)
	}
	before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return said(nil, err)
	}
	changes := map[string]any{}
	_, err = kjson.UnmarshalStrict([]byte(patch), &changes)
	if err != nil {
		return said(nil, err)
	}
	look, err := strategicpatch.NewPatchMetaFromStruct(object)
	if err != nil {
		return said(nil, err)
	}
	merged, err := strategicpatch.StrategicMergeMapPatchUsingLookupPatchMeta(before, changes, look)
	if err != nil {
		return said(nil, err)
	}
	into, err := scheme.Scheme.New(kind)
	if err != nil {
		return said(nil, err)
	}
	err = runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(merged, into, false)
	return said(into, err)
}

func kindOf(text string) schema.GroupVersionKind {
	kind, _ := schema.ParseKindArg(text)
	if kind == nil {
		group := schema.ParseGroupKind(text)
		return schema.GroupVersionKind{Version: group.Group, Kind: group.Kind}
	}
	return *kind
}

func run(path string) error {
	if err := definitions.AddToScheme(scheme.Scheme); err != nil {
		return err
	}
	metav1.AddToGroupVersion(scheme.Scheme, schema.GroupVersion{Version: "v1"})
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	writer := json.NewEncoder(&out)
	writer.SetEscapeHTML(false)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var line []json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return err
		}
		var words [4]string
		for i := range min(len(line), 4) {
			_ = json.Unmarshal(line[i], &words[i])
		}
		kind := kindOf(words[1])
		switch words[0] {
		case "decode":
			err = writer.Encode([]any{"decode", words[1], words[2], decode(kind, words[2], true), decode(kind, words[2], false)})
		case "patch":
			err = writer.Encode([]any{"patch", words[1], words[2], words[3], patch(kind, words[2], words[3])})
		default:
			err = errors.New("no such case: " + words[0])
		}
		if err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

func main() {
	if err := run(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}
