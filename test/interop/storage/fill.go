package main

import (
	"fmt"
	"math/rand"
	"strings"
	"time"

	definitionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"
)

// filler makes objects at random. What is at the border of a scalar's type comes often.
func filler(seed int64) *randfill.Filler {
	f := randfill.New().RandSource(rand.NewSource(seed)).NilChance(.4).NumElements(0, 2).MaxDepth(14)
	return f.Funcs(
		func(s *string, c randfill.Continue) { *s = someText(c) },
		func(n *int32, c randfill.Continue) { *n = int32(someNumber(c, 31)) },
		func(n *int64, c randfill.Continue) { *n = someNumber(c, 63) },
		func(x *float64, c randfill.Continue) { *x = someFloat(c) },
		func(b *[]byte, c randfill.Continue) {
			*b = pick(c, nil, []byte{0}, []byte("some bytes"), []byte{255, 254, 253, 0, 1})
		},
		func(m *map[string][]byte, c randfill.Continue) {
			*m = pick(c, nil, map[string][]byte{}, map[string][]byte{"none": nil, "empty": {}, someText(c): []byte(someText(c))})
		},
		func(q *resource.Quantity, c randfill.Continue) { *q = resource.MustParse(pick(c, quantities...)) },
		func(m *map[string]metav1.Time, c randfill.Continue) {
			*m = pick(c, nil, map[string]metav1.Time{"none": {}, "some": metav1.Unix(1_700_000_000, 5)})
		},
		func(d *metav1.Duration, c randfill.Continue) { d.Duration = time.Duration(someNumber(c, 52)) },
		func(t *metav1.Time, c randfill.Continue) { t.Time = someTime(c) },
		func(t *metav1.MicroTime, c randfill.Continue) { t.Time = someTime(c) },
		// A pointer to no time is null in JSON, which is read as no pointer: k8ts tells such a time, as text, instead.
		func(t **metav1.Time, c randfill.Continue) {
			if at := someTime(c); c.Bool() && !at.Truncate(time.Second).IsZero() {
				*t = &metav1.Time{Time: at}
			}
		},
		func(t **metav1.MicroTime, c randfill.Continue) {
			if at := someTime(c).Truncate(time.Microsecond); c.Bool() && !at.IsZero() {
				*t = &metav1.MicroTime{Time: at}
			}
		},
		func(x *intstr.IntOrString, c randfill.Continue) {
			*x = pick(c, intstr.IntOrString{}, intstr.FromInt32(-1), intstr.FromInt32(8080), intstr.FromString(""), intstr.FromString("25%"), intstr.FromString("7"))
		},
		func(t *metav1.TypeMeta, _ randfill.Continue) { *t = metav1.TypeMeta{} },
		func(j *metav1.FieldsV1, c randfill.Continue) {
			j.Raw = []byte(pick(c, `{}`, `{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`, `{"f:spec":{"k:{\"a\":1}":{".":{}}}}`))
		},
		func(r *runtime.RawExtension, c randfill.Continue) { r.Raw = someJSON(c, "{") },
		func(j *definitionsv1.JSON, c randfill.Continue) { j.Raw = someJSON(c, "") },
		func(o *runtime.Object, _ randfill.Continue) { *o = nil },
		func(u *types.UID, c randfill.Continue) { *u = types.UID(someText(c)) },
		func(p *definitionsv1.JSONSchemaProps, c randfill.Continue) { someSchema(p, c) },
		func(row *metav1.TableRow, c randfill.Continue) {
			c.FillNoCustom(row)
			row.Cells = nil
			for range c.Intn(4) {
				row.Cells = append(row.Cells, pick[any](c, "text", int64(3), 2.5, true, nil))
			}
		},
		func(e *metav1.WatchEvent, c randfill.Continue) {
			c.Fill(&e.Type)
			e.Object.Raw = someJSON(c, "{")
		},
	)
}

func pick[T any](c randfill.Continue, of ...T) T { return of[c.Intn(len(of))] }

var quantities = []string{
	"0", "1", "100m", "1Gi", "1.5", "0.1", "-3k", "12e6", "1E", "1e-3", "7n", "3u", "1500m", "1024Ki", "1.5Gi", "9223372036854775807",
	"123456789012345678901234567890", "0.000000001", "-1", "5Ti", "1e3", "1000Ki", "0Mi", "8Ei", "1e20",
}

// Behind all others in bytes as in UTF-16: none of those from U+E000 to U+FFFF, which are not.
var texts = []string{
	"", "a", "B", "name", "a/b", "example.com/key", "true", "null", "~", "1", "10", "9", "007", "1.5", "-", " ", "é", "日本", "😀",
	"<a&b>", "line\nline", "tab\t", "\"quoted\"", "back\\slash", "\u2028", "\x00", "\x7f", "constructor", "__proto__", "toString", "f:x", "2020-01-01T00:00:00Z", "1Gi", "y", "off", "{}", "[]", "# no comment", ": ", "0x10", "1_000", "+1", ".5", "1e3", "=", "<<", "@", "`", "%", "!tag", "&anchor", "*alias", "|", ">", "'", "a: b", "a #b", "\r", "\u0085",
}

func someText(c randfill.Continue) string {
	switch c.Intn(6) {
	case 0, 1, 2:
		return pick(c, texts...)
	case 3:
		return strings.Repeat(pick(c, texts...), c.Intn(70))
	case 4:
		return fmt.Sprint(c.Intn(1000))
	}
	return c.String(20)
}

func someNumber(c randfill.Continue, bits int) int64 {
	most := int64(1)<<bits - 1
	switch c.Intn(5) {
	case 0:
		return 0
	case 1:
		return pick(c, 1, -1, 127, 128, -128, 16383, 16384, most, -most, -most-1)
	case 2:
		return c.Int63() % most
	case 3:
		return -(c.Int63() % most)
	}
	return int64(c.Intn(1000))
}

func someFloat(c randfill.Continue) float64 {
	return pick(c, 0, 1, -1, 0.5, 1e21, 1e20, 123456789012, 1e-6, 1e-7, -1.25e-9, 1<<53, 1<<53+2, 1e300, 5e-324, 0.1, c.NormFloat64())
}

func someTime(c randfill.Continue) time.Time {
	second := pick(c, 0, 1, -1, 1_000_000_000, 1_700_000_000, -62_135_596_800, -62_135_596_799, 253_402_300_799, c.Int63n(4_000_000_000))
	if c.Intn(6) == 0 {
		return time.Time{}
	}
	return time.Unix(second, pick(c, 0, 1000, 999_999_999, 120_000_000, c.Int63n(1_000_000_000))).UTC()
}

func someJSON(c randfill.Continue, start string) []byte {
	all := []string{
		`{}`, `{"a":1}`, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}`, `{"a":null,"b":[1,2.5,null,{"c":"d"}]}`,
		`{"apiVersion":"g.example/v1","kind":"Thing","spec":{"n":9007199254740993}}`, `{"\u003c":"\u003c\u0026\u003e"}`,
		`null`, `"text"`, `12`, `[]`, `[1]`, `true`,
	}
	for {
		if text := pick(c, all...); strings.HasPrefix(text, start) {
			return []byte(text)
		}
	}
}

// someSchema keeps trees small: there are some forty fields, and schemas in a dozen of them.
func someSchema(p *definitionsv1.JSONSchemaProps, c randfill.Continue) {
	child := func() *definitionsv1.JSONSchemaProps {
		sub := &definitionsv1.JSONSchemaProps{Type: pick(c, "string", "integer", "")}
		if c.Intn(3) == 0 {
			someSchema(sub, c)
		}
		return sub
	}
	p.Type = pick(c, "object", "string", "array", "")
	p.Description = someText(c)
	if c.Bool() {
		p.Minimum, p.MultipleOf = some(someFloat(c)), some(someFloat(c))
		p.MaxLength, p.MinItems = some(someNumber(c, 63)), some(someNumber(c, 63))
	}
	if c.Bool() {
		p.Default, p.Example = &definitionsv1.JSON{Raw: someJSON(c, "")}, &definitionsv1.JSON{Raw: someJSON(c, "")}
		p.Enum = pick(c, nil, []definitionsv1.JSON{}, []definitionsv1.JSON{{Raw: someJSON(c, "")}, {Raw: []byte("null")}})
		p.Required = pick(c, nil, []string{}, []string{"a", "b"})
		p.Nullable, p.XIntOrString, p.XEmbeddedResource = c.Bool(), c.Bool(), c.Bool()
		p.XPreserveUnknownFields, p.XListType, p.XMapType = some(c.Bool()), some(someText(c)), some(someText(c))
		p.XListMapKeys = pick(c, nil, []string{}, []string{"k"})
	}
	switch c.Intn(5) {
	case 0:
		p.Properties = map[string]definitionsv1.JSONSchemaProps{someText(c): *child(), someText(c): *child()}
	case 1:
		p.Items = pick(c, nil, &definitionsv1.JSONSchemaPropsOrArray{Schema: child()}, &definitionsv1.JSONSchemaPropsOrArray{JSONSchemas: []definitionsv1.JSONSchemaProps{*child()}})
		p.AdditionalItems = &definitionsv1.JSONSchemaPropsOrBool{Allows: c.Bool()}
	case 2:
		p.AdditionalProperties = pick(c, &definitionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: child()}, &definitionsv1.JSONSchemaPropsOrBool{}, &definitionsv1.JSONSchemaPropsOrBool{Allows: true})
		p.Dependencies = definitionsv1.JSONSchemaDependencies{"a": {Property: []string{"b"}}, "c": {Schema: child()}}
	case 3:
		p.AllOf, p.Not = []definitionsv1.JSONSchemaProps{*child()}, child()
		c.Fill(&p.XValidations)
		c.Fill(&p.ExternalDocs)
	}
}

func some[T any](value T) *T { return &value }

// makeObject fills an object of a kind, and says what it is.
func makeObject(s *runtime.Scheme, gvk schema.GroupVersionKind, f *randfill.Filler) (runtime.Object, error) {
	object, err := s.New(gvk)
	if err != nil {
		return nil, err
	}
	f.Fill(object)
	return object, nil
}
