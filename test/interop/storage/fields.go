package main

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// nobody fills in defaults.
type nobody struct{}

func (nobody) Default(runtime.Object) {}

// own is what a write comes to, and who owns its fields then: of an object by another, or of a configuration that is applied.
func (w *wire) own(gvk schema.GroupVersionKind, ask wireAsk) (runtime.Object, error) {
	skipped := map[string]string{"": "status", "status": "spec"}[ask.Subresource]
	reset := map[fieldpath.APIVersion]fieldpath.Filter{}
	if skipped != "" {
		reset[fieldpath.APIVersion(ask.APIVersion)] = fieldpath.NewExcludeSetFilter(fieldpath.NewSet(fieldpath.MakePathOrDie(skipped)))
	}
	converter := applyconfigurations.NewTypeConverter(w.scheme)
	manager, err := managedfields.NewDefaultFieldManager(converter, runtime.UnsafeObjectConvertor(w.scheme), nobody{}, w.scheme, gvk, gvk.GroupVersion(), ask.Subresource, reset)
	if err != nil {
		return nil, err
	}
	live, err := w.scheme.New(gvk)
	if err == nil && ask.Live != nil {
		live, _, err = w.read(gvk, "json", ask.Live)
	}
	if err != nil {
		return nil, err
	}
	live.GetObjectKind().SetGroupVersionKind(gvk)
	if ask.Apply {
		config := &unstructured.Unstructured{}
		if err := config.UnmarshalJSON(ask.Body); err != nil {
			return nil, err
		}
		return manager.Apply(live, config, ask.Manager, ask.Force)
	}
	object, _, err := w.read(gvk, "json", ask.Body)
	if err != nil {
		return nil, err
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	return manager.Update(live, object, ask.Manager)
}
