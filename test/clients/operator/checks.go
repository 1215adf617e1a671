package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type check struct {
	name string
	run  func(context.Context, *story) error
}

// One after the other: it is one story.
var checks = []check{
	{"reconcile: owner reference, status, condition", reconciles},
	{"defaulting webhook", defaults},
	{"validating webhook: refusals with their causes, warnings", validates},
	{"drift is undone, by whoever made it", undoes},
	{"field index and metadata watch", followsChart},
	{"cache: index, labels, live reads", readsCache},
	{"scale of a custom resource", scales},
	{"events", tells},
	{"watch of the typed client", watches},
	{"leader election: the second manager takes over", takesOver},
	{"finalizer", sinks},
}

func (s *story) key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: s.ns, Name: name}
}

func (s *story) fleet(name string, spec FleetSpec) *Fleet {
	return &Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: name}, Spec: spec}
}

// until asks again and again, and says what was missing in the end.
func until(ctx context.Context, ask func() error) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) {
		last = ask()
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("in the end: %w", last)
	}
	return nil
}

func (s *story) ready(ctx context.Context, name string, ships int32) (fleet *Fleet, err error) {
	err = until(ctx, func() error {
		fleet = &Fleet{}
		if err := s.client.Get(ctx, s.key(name), fleet); err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(fleet.Status.Conditions, "Ready") || fleet.Status.Ready != ships || fleet.Status.ObservedGeneration != fleet.Generation {
			return fmt.Errorf("fleet %s is not ready: %+v", name, fleet.Status)
		}
		return nil
	})
	return fleet, err
}

func reconciles(ctx context.Context, s *story) error {
	if err := s.client.Create(ctx, s.fleet("one", FleetSpec{Ships: 2, Flag: "red"})); err != nil {
		return err
	}
	fleet, err := s.ready(ctx, "one", 2)
	if err != nil {
		return err
	}
	var deployment appsv1.Deployment
	if err := s.client.Get(ctx, s.key("one"), &deployment); err != nil {
		return err
	}
	of := metav1.GetControllerOf(&deployment)
	if of == nil || of.UID != fleet.UID || of.Kind != "Fleet" {
		return fmt.Errorf("owner is %v", of)
	}
	if !slices.Equal(fleet.Finalizers, []string{finalizer}) || fleet.Generation != 1 {
		return fmt.Errorf("finalizers %v, generation %d", fleet.Finalizers, fleet.Generation)
	}
	manages := func(m metav1.ManagedFieldsEntry) bool {
		return m.Manager == string(owner) && m.Operation == metav1.ManagedFieldsOperationApply
	}
	if !slices.ContainsFunc(deployment.ManagedFields, manages) {
		return fmt.Errorf("managers are %v", deployment.ManagedFields)
	}
	return nil
}

func defaults(ctx context.Context, s *story) error {
	fleet := s.fleet("plain", FleetSpec{})
	if err := s.client.Create(ctx, fleet, client.DryRunAll); err != nil {
		return err
	}
	if fleet.Spec.Flag != "white" {
		return fmt.Errorf("flag is %q", fleet.Spec.Flag)
	}
	return nil
}

func validates(ctx context.Context, s *story) error {
	err := s.client.Create(ctx, s.fleet("armada", FleetSpec{Ships: 101}))
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || status.Status().Details.Causes[0].Field != "spec.ships" {
		return fmt.Errorf("creating: %v", err)
	}
	if !strings.HasPrefix(err.Error(), `admission webhook "rules.sea.example" denied the request: Fleet.sea.example "armada" is invalid: spec.ships`) {
		return fmt.Errorf("creating: %v", err)
	}
	fleet := &Fleet{}
	if err := s.client.Get(ctx, s.key("one"), fleet); err != nil {
		return err
	}
	before := fleet.deepCopy()
	fleet.Spec.Flag = "blue"
	if err := s.client.Patch(ctx, fleet, client.MergeFrom(before)); !apierrors.IsInvalid(err) {
		return fmt.Errorf("patching: %v", err)
	}
	kept := s.fleet("kept", FleetSpec{Flag: "black"})
	kept.Labels = map[string]string{"keep": "yes"}
	if err := s.client.Create(ctx, kept); err != nil {
		return err
	}
	if !slices.Contains(s.warnings.seen, "a black flag makes no friends") {
		return fmt.Errorf("warnings: %q", s.warnings.seen)
	}
	if err := s.client.Delete(ctx, kept); !apierrors.IsForbidden(err) {
		return fmt.Errorf("deleting: %v", err)
	}
	return nil
}

func undoes(ctx context.Context, s *story) error {
	var deployment appsv1.Deployment
	if err := s.client.Get(ctx, s.key("one"), &deployment); err != nil {
		return err
	}
	first := deployment.UID
	patch := client.RawPatch("application/strategic-merge-patch+json", []byte(`{"spec":{"replicas":5}}`))
	if err := s.client.Patch(ctx, &deployment, patch, client.FieldOwner("meddler")); err != nil {
		return err
	}
	err := until(ctx, func() error {
		if err := s.client.Get(ctx, s.key("one"), &deployment); err != nil {
			return err
		}
		if *deployment.Spec.Replicas != 2 {
			return fmt.Errorf("replicas %d", *deployment.Spec.Replicas)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := s.client.Delete(ctx, &deployment); err != nil {
		return err
	}
	err = until(ctx, func() error {
		if err := s.client.Get(ctx, s.key("one"), &deployment); err != nil {
			return err
		}
		if deployment.UID == first {
			return fmt.Errorf("the first deployment is there still")
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.ready(ctx, "one", 2)
	return err
}

func followsChart(ctx context.Context, s *story) error {
	chart := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "atlantic", Annotations: map[string]string{"edition": "1"}}}
	if err := firstError(s.client.Create(ctx, chart), s.client.Create(ctx, s.fleet("charted", FleetSpec{Chart: "atlantic"}))); err != nil {
		return err
	}
	for _, edition := range []string{"1", "2"} {
		before := chart.DeepCopy()
		chart.Annotations["edition"] = edition
		if err := s.client.Patch(ctx, chart, client.StrategicMergeFrom(before)); err != nil {
			return err
		}
		err := until(ctx, func() error {
			var deployment appsv1.Deployment
			if err := s.client.Get(ctx, s.key("charted"), &deployment); err != nil {
				return err
			}
			if got := deployment.Annotations[chartVersion]; got != edition {
				return fmt.Errorf("edition %q, want %q", got, edition)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readsCache(ctx context.Context, s *story) error {
	mgr := s.managers[0]
	var fleets FleetList
	if err := mgr.GetClient().List(ctx, &fleets, client.InNamespace(s.ns), client.MatchingFields{chartIndex: "atlantic"}); err != nil {
		return err
	}
	if len(fleets.Items) != 1 || fleets.Items[0].Name != "charted" {
		return fmt.Errorf("%d fleets by the index", len(fleets.Items))
	}
	var pods corev1.PodList
	if err := mgr.GetClient().List(ctx, &pods, client.InNamespace(s.ns), client.MatchingLabels{"fleet": "one"}); err != nil {
		return err
	}
	var live corev1.PodList
	if err := mgr.GetAPIReader().List(ctx, &live, client.InNamespace(s.ns), client.MatchingLabels{"fleet": "one"}, client.Limit(1)); err != nil {
		return err
	}
	if len(pods.Items) != 2 || len(live.Items) != 1 || live.Continue == "" {
		return fmt.Errorf("%d pods in the cache, %d in the first page", len(pods.Items), len(live.Items))
	}
	return nil
}

func scales(ctx context.Context, s *story) error {
	fleet := s.fleet("one", FleetSpec{})
	scale := &autoscalingv1.Scale{}
	if err := s.client.SubResource("scale").Get(ctx, fleet, scale); err != nil {
		return err
	}
	if scale.Spec.Replicas != 2 || scale.Status.Replicas != 2 {
		return fmt.Errorf("scale is %+v %+v", scale.Spec, scale.Status)
	}
	scale.Spec.Replicas = 1
	if err := s.client.SubResource("scale").Update(ctx, fleet, client.WithSubResourceBody(scale)); err != nil {
		return err
	}
	_, err := s.ready(ctx, "one", 1)
	return err
}

func tells(ctx context.Context, s *story) error {
	return until(ctx, func() error {
		var list eventsv1.EventList
		if err := s.client.List(ctx, &list, client.InNamespace(s.ns)); err != nil {
			return err
		}
		for _, e := range list.Items {
			if e.Reason == "Arrived" && e.Regarding.Name == "one" && e.ReportingController == "fleet-operator" {
				return nil
			}
		}
		return fmt.Errorf("no event among %d", len(list.Items))
	})
}

func watches(ctx context.Context, s *story) error {
	watch, err := s.client.Watch(ctx, &FleetList{}, client.InNamespace(s.ns), client.MatchingFields{"metadata.name": "seen"})
	if err != nil {
		return err
	}
	defer watch.Stop()
	fleet := s.fleet("seen", FleetSpec{})
	if err := s.client.Create(ctx, fleet); err != nil {
		return err
	}
	if err := s.client.DeleteAllOf(ctx, &Fleet{}, client.InNamespace(s.ns), client.MatchingFields{"metadata.name": "seen"}); err != nil {
		return err
	}
	for event := range watch.ResultChan() {
		if event.Object.(*Fleet).Name != "seen" {
			return fmt.Errorf("saw %v", event)
		}
		if event.Type == "DELETED" {
			return nil
		}
	}
	return fmt.Errorf("the watch ended: %w", ctx.Err())
}

func takesOver(ctx context.Context, s *story) error {
	select {
	case <-s.managers[1].Elected():
		return fmt.Errorf("two lead at once")
	default:
	}
	if err := s.dropHooks(ctx); err != nil {
		return err
	}
	s.stops[0]()
	select {
	case <-s.managers[1].Elected():
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.client.Create(ctx, s.fleet("later", FleetSpec{Ships: 1})); err != nil {
		return err
	}
	fleet, err := s.ready(ctx, "later", 1)
	if err != nil {
		return err
	}
	if got := meta.FindStatusCondition(fleet.Status.Conditions, "Ready").Message; got != "by Mary" {
		return fmt.Errorf("reconciled %s", got)
	}
	return nil
}

// dropHooks removes the webhooks, which stop with the first manager.
func (s *story) dropHooks(ctx context.Context) error {
	return firstError(
		s.client.Delete(ctx, &admissionv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "fleet-defaults"}}),
		s.client.Delete(ctx, &admissionv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: "fleet-rules"}}))
}

func sinks(ctx context.Context, s *story) error {
	fleet := s.fleet("one", FleetSpec{})
	if err := s.client.Delete(ctx, fleet, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		return err
	}
	// The garbage collector learns of new definitions each 30 seconds only: what the fleet owned is not waited for.
	return until(ctx, func() error {
		if err := s.client.Get(ctx, s.key("wreck-of-one"), &corev1.ConfigMap{}); err != nil {
			return err
		}
		if err := s.client.Get(ctx, s.key("one"), &Fleet{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("the fleet is there still: %v", err)
		}
		return nil
	})
}
