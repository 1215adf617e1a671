package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/restmapper"
	toolsevents "k8s.io/client-go/tools/events"
)

var configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

func unstructuredMap(name string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": name}, "data": data,
	}}
}

func dynamicRound(ctx context.Context, s *suite) error {
	maps := s.dynamic.Resource(configMaps).Namespace(s.ns)
	w, err := maps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=dynamic"})
	if err != nil {
		return err
	}
	defer w.Stop()
	made, err := maps.Create(ctx, unstructuredMap("dynamic", map[string]any{"a": "1"}), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := unstructured.SetNestedField(made.Object, "2", "data", "a"); err != nil {
		return err
	}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	patched, err := maps.Patch(ctx, "dynamic", types.MergePatchType, []byte(`{"data":{"b":"3"}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	if err := maps.Delete(ctx, "dynamic", metav1.DeleteOptions{}); err != nil {
		return err
	}
	list, err := maps.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return err
	}
	types := []string{}
	for range 4 {
		types = append(types, string((<-w.ResultChan()).Type))
	}
	_, unknown := maps.Create(ctx, unstructuredMap("unknown", map[string]any{"a": int64(1)}), metav1.CreateOptions{})
	return firstError(
		want("data", patched.Object["data"], map[string]any{"a": "2", "b": "3"}),
		want("events", types, []string{"ADDED", "MODIFIED", "MODIFIED", "DELETED"}),
		want("list kind", list.GetKind(), "ConfigMapList"),
		want("a number for text", apierrors.IsBadRequest(unknown), true),
	)
}

func dynamicApply(ctx context.Context, s *suite) error {
	maps := s.dynamic.Resource(configMaps).Namespace(s.ns)
	if _, err := maps.Apply(ctx, "applied", unstructuredMap("applied", map[string]any{"a": "1", "b": "1"}), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	_, conflict := maps.Apply(ctx, "applied", unstructuredMap("applied", map[string]any{"a": "2"}), metav1.ApplyOptions{FieldManager: "two"})
	now, err := maps.Apply(ctx, "applied", unstructuredMap("applied", map[string]any{"b": "1"}), metav1.ApplyOptions{FieldManager: "one"})
	if err != nil {
		return err
	}
	return firstError(
		want("conflict", apierrors.IsConflict(conflict), true),
		want("what is no longer named goes", now.Object["data"], map[string]any{"b": "1"}),
		maps.Delete(ctx, "applied", metav1.DeleteOptions{}),
	)
}

func metadataRound(ctx context.Context, s *suite) error {
	client, err := metadata.NewForConfig(s.config)
	if err != nil {
		return err
	}
	maps := client.Resource(configMaps).Namespace(s.ns)
	w, err := maps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=meta"})
	if err != nil {
		return err
	}
	defer w.Stop()
	if _, err := s.client.CoreV1().ConfigMaps(s.ns).Create(ctx, configMap("meta", map[string]string{"a": "b"}, nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	got, err := maps.Get(ctx, "meta", metav1.GetOptions{})
	if err != nil {
		return err
	}
	patched, err := maps.Patch(ctx, "meta", types.MergePatchType, []byte(`{"metadata":{"labels":{"l":"1"}}}`), metav1.PatchOptions{})
	if err != nil {
		return err
	}
	list, err := maps.List(ctx, metav1.ListOptions{LabelSelector: "l=1"})
	if err != nil {
		return err
	}
	event := <-w.ResultChan()
	seen, _ := event.Object.(*metav1.PartialObjectMetadata)
	if seen == nil {
		return fmt.Errorf("watched a %T", event.Object)
	}
	return firstError(
		want("name", got.Name, "meta"),
		want("label", patched.Labels["l"], "1"),
		want("list", len(list.Items), 1),
		want("watched", seen.Name, "meta"),
		maps.Delete(ctx, "meta", metav1.DeleteOptions{}),
	)
}

func discoveryRound(_ context.Context, s *suite) error {
	client := s.client.Discovery()
	version, err := client.ServerVersion()
	if err != nil {
		return err
	}
	groups, resources, err := client.ServerGroupsAndResources()
	if err != nil {
		return err
	}
	preferred, err := client.ServerPreferredNamespacedResources()
	if err != nil {
		return err
	}
	mapped, err := restmapper.GetAPIGroupResources(client)
	if err != nil {
		return err
	}
	mapping, err := restmapper.NewDiscoveryRESTMapper(mapped).RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	if err != nil {
		return err
	}
	document, err := client.OpenAPISchema()
	if err != nil {
		return fmt.Errorf("OpenAPI v2: %w", err)
	}
	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		return fmt.Errorf("OpenAPI v3: %w", err)
	}
	apps, err := paths["apis/apps/v1"].Schema("application/json")
	if err != nil {
		return fmt.Errorf("OpenAPI v3 of apps/v1: %w", err)
	}
	pods := 0
	for _, list := range resources {
		for _, r := range list.APIResources {
			if list.GroupVersion == "v1" && r.Name == "pods" && slices.Contains(r.ShortNames, "po") && r.Namespaced {
				pods++
			}
		}
	}
	return firstError(
		want("version", version.Major+"."+version.Minor, "1.36"),
		want("groups", len(groups) > 15, true),
		want("pods", pods, 1),
		want("preferred", len(preferred) > 8, true),
		want("mapping", mapping.Resource, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}),
		want("definitions", len(document.GetDefinitions().GetAdditionalProperties()) > 300, true),
		want("apps/v1", len(apps) > 10000, true),
	)
}

func events(ctx context.Context, s *suite) error {
	about, err := s.client.CoreV1().ConfigMaps(s.ns).Create(ctx, configMap("subject", nil, nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	broadcaster := toolsevents.NewBroadcaster(&toolsevents.EventSinkImpl{Interface: s.client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return err
	}
	defer broadcaster.Shutdown()
	recorder := broadcaster.NewRecorder(schemeOf(), "client-go-test")
	recorder.Eventf(about, nil, corev1.EventTypeNormal, "Tested", "Testing", "said %d", 1)
	for {
		list, err := s.client.CoreV1().Events(s.ns).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=subject,reason=Tested"})
		if err != nil {
			return err
		}
		if len(list.Items) == 1 {
			return firstError(
				want("message", list.Items[0].Message, "said 1"),
				want("reporter", list.Items[0].ReportingController, "client-go-test"),
			)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
