package main

import (
	"encoding/json"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	definitionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	definitionsv1beta1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1beta1"
	definitions "k8s.io/apiextensions-apiserver/pkg/apiserver"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
	servicesv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	services "k8s.io/kube-aggregator/pkg/apiserver/scheme"
)

// form is how objects of one kind lie in etcd, and how they are told in JSON.
type form struct {
	codec runtime.Codec
	// The object of a JSON text.
	read func(text []byte) (runtime.Object, error)
	// The JSON text of an object.
	show    func(object runtime.Object) ([]byte, error)
	newOne  func() runtime.Object
	newList func() runtime.Object
}

// formOf knows the three ways of kube-apiserver: its own kinds in protobuf in the version given, definitions and
// APIServices as JSON through their own schemes, custom resources as the JSON they are.
func formOf(gvk schema.GroupVersionKind) (form, error) {
	switch {
	case gvk.Group == "apiextensions.k8s.io":
		stored := definitions.Codecs.LegacyCodec(definitionsv1beta1.SchemeGroupVersion, definitionsv1.SchemeGroupVersion)
		return throughHub(definitions.Scheme, definitions.Codecs, stored, apiextensions.SchemeGroupVersion, definitionsv1.SchemeGroupVersion, gvk.Kind)
	case gvk.Group == "apiregistration.k8s.io":
		hub := schema.GroupVersion{Group: gvk.Group, Version: runtime.APIVersionInternal}
		stored := services.Codecs.LegacyCodec(servicesv1.SchemeGroupVersion)
		return throughHub(services.Scheme, services.Codecs, stored, hub, servicesv1.SchemeGroupVersion, gvk.Kind)
	case scheme.Scheme.Recognizes(gvk):
		return builtin(gvk)
	}
	return custom(gvk), nil
}

func throughHub(s *runtime.Scheme, codecs serializer.CodecFactory, stored runtime.Codec, hub, shown schema.GroupVersion, kind string) (form, error) {
	if _, err := s.New(hub.WithKind(kind)); err != nil {
		return form{}, err
	}
	decoder := codecs.UniversalDecoder(hub)
	encoder := codecs.LegacyCodec(shown)
	return form{
		codec:   stored,
		read:    func(text []byte) (runtime.Object, error) { return runtime.Decode(decoder, text) },
		show:    func(object runtime.Object) ([]byte, error) { return runtime.Encode(encoder, object) },
		newOne:  maker(s, hub.WithKind(kind)),
		newList: maker(s, hub.WithKind(kind+"List")),
	}, nil
}

func builtin(gvk schema.GroupVersionKind) (form, error) {
	encoder := scheme.Codecs.EncoderForVersion(protobuf.NewSerializer(scheme.Scheme, scheme.Scheme), gvk.GroupVersion())
	newList := func() runtime.Object { return nil }
	list := gvk.GroupVersion().WithKind(gvk.Kind + "List")
	if scheme.Scheme.Recognizes(list) {
		newList = maker(scheme.Scheme, list)
	}
	return form{
		codec: runtime.NewCodec(encoder, scheme.Codecs.UniversalDeserializer()),
		read: func(text []byte) (runtime.Object, error) {
			object, err := scheme.Scheme.New(gvk)
			if err != nil {
				return nil, err
			}
			return object, json.Unmarshal(text, object)
		},
		show: func(object runtime.Object) ([]byte, error) {
			copied := object.DeepCopyObject()
			copied.GetObjectKind().SetGroupVersionKind(gvk)
			return json.Marshal(copied)
		},
		newOne:  maker(scheme.Scheme, gvk),
		newList: newList,
	}, nil
}

func custom(gvk schema.GroupVersionKind) form {
	return form{
		codec: unstructured.UnstructuredJSONScheme,
		read: func(text []byte) (runtime.Object, error) {
			return runtime.Decode(unstructured.UnstructuredJSONScheme, text)
		},
		show: func(object runtime.Object) ([]byte, error) { return json.Marshal(object) },
		newOne: func() runtime.Object {
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(gvk)
			return object
		},
		newList: func() runtime.Object {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
			return list
		},
	}
}

func maker(s *runtime.Scheme, gvk schema.GroupVersionKind) func() runtime.Object {
	return func() runtime.Object {
		object, err := s.New(gvk)
		if err != nil {
			panic(err)
		}
		return object
	}
}
