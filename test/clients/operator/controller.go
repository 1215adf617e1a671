package main

import (
	"context"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	finalizer    = "sea.example/sink"
	chartIndex   = ".spec.chart"
	chartVersion = "sea.example/chart"
	owner        = client.FieldOwner("fleet-operator")
)

type reconciler struct {
	client   client.Client
	recorder events.EventRecorder
	name     string
}

// addController also indexes fleets by the chart they sail by, and watches the metadata of charts.
func addController(mgr ctrl.Manager, name string) error {
	index := func(o client.Object) []string {
		if chart := o.(*Fleet).Spec.Chart; chart != "" {
			return []string{chart}
		}
		return nil
	}
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &Fleet{}, chartIndex, index); err != nil {
		return err
	}
	r := &reconciler{client: mgr.GetClient(), recorder: mgr.GetEventRecorder("fleet-operator"), name: name}
	yes := true
	return ctrl.NewControllerManagedBy(mgr).
		For(&Fleet{}).
		Owns(&appsv1.Deployment{}).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.sailingBy)).
		// Both managers of the test run in one process.
		WithOptions(controller.Options{SkipNameValidation: &yes}).
		Complete(r)
}

func (r *reconciler) sailingBy(ctx context.Context, chart client.Object) []reconcile.Request {
	var fleets FleetList
	if err := r.client.List(ctx, &fleets, client.InNamespace(chart.GetNamespace()), client.MatchingFields{chartIndex: chart.GetName()}); err != nil {
		return nil
	}
	var out []reconcile.Request
	for _, f := range fleets.Items {
		out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&f)})
	}
	return out
}

func (r *reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	var fleet Fleet
	if err := r.client.Get(ctx, request.NamespacedName, &fleet); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !fleet.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, r.sink(ctx, &fleet)
	}
	if controllerutil.AddFinalizer(&fleet, finalizer) {
		return reconcile.Result{}, r.client.Update(ctx, &fleet)
	}
	version, err := r.chartVersion(ctx, &fleet)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.client.Apply(ctx, r.deployment(&fleet, version), owner, client.ForceOwnership); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, r.report(ctx, &fleet)
}

func (r *reconciler) chartVersion(ctx context.Context, fleet *Fleet) (string, error) {
	if fleet.Spec.Chart == "" {
		return "", nil
	}
	chart := &metav1.PartialObjectMetadata{}
	chart.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	err := r.client.Get(ctx, types.NamespacedName{Namespace: fleet.Namespace, Name: fleet.Spec.Chart}, chart)
	return chart.Annotations["edition"], client.IgnoreNotFound(err)
}

func (r *reconciler) deployment(fleet *Fleet, chart string) *appsapply.DeploymentApplyConfiguration {
	labels := map[string]string{"fleet": fleet.Name}
	pod := coreapply.PodSpec().WithContainers(
		coreapply.Container().WithName("ship").WithImage("ship:1").
			WithEnv(coreapply.EnvVar().WithName("FLAG").WithValue(fleet.Spec.Flag)))
	return appsapply.Deployment(fleet.Name, fleet.Namespace).
		WithAnnotations(map[string]string{chartVersion: chart}).
		WithOwnerReferences(metaapply.OwnerReference().
			WithAPIVersion(groupVersion.String()).WithKind("Fleet").WithName(fleet.Name).WithUID(fleet.UID).
			WithController(true).WithBlockOwnerDeletion(true)).
		WithSpec(appsapply.DeploymentSpec().
			WithReplicas(fleet.Spec.Ships).
			WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(pod)))
}

// report patches the status when it is no longer true.
func (r *reconciler) report(ctx context.Context, fleet *Fleet) error {
	var deployment appsv1.Deployment
	if err := r.client.Get(ctx, client.ObjectKeyFromObject(fleet), &deployment); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := fleet.deepCopy()
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Sailing", Message: "by " + r.name, ObservedGeneration: fleet.Generation}
	fleet.Status.Ready = deployment.Status.ReadyReplicas
	if fleet.Status.Ready == fleet.Spec.Ships {
		ready.Status, ready.Reason = metav1.ConditionTrue, "Arrived"
	}
	fleet.Status.ObservedGeneration = fleet.Generation
	if meta.SetStatusCondition(&fleet.Status.Conditions, ready) {
		r.recorder.Eventf(fleet, &deployment, corev1.EventTypeNormal, ready.Reason, "Report", "%d ships ready", fleet.Status.Ready)
	}
	return r.client.Status().Patch(ctx, fleet, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// sink leaves a wreck behind, then lets the fleet go.
func (r *reconciler) sink(ctx context.Context, fleet *Fleet) error {
	wreck := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: fleet.Namespace, Name: "wreck-of-" + fleet.Name}}
	if err := r.client.Create(ctx, wreck); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	if controllerutil.RemoveFinalizer(fleet, finalizer) {
		return client.IgnoreNotFound(r.client.Update(ctx, fleet))
	}
	return nil
}
