package main

import (
	"context"
	"fmt"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	authv1 "k8s.io/api/authentication/v1"
	authzv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
)

var apiChecks = []check{
	{"create, get, list, update, delete", crud},
	{"errors keep their reasons", reasons},
	{"patches: JSON, merge, strategic merge", patches},
	{"server-side apply, typed", applyTyped},
	{"status and scale", subresources},
	{"selectors, deletecollection", collections},
	{"pagination", pagination},
	{"dry run", dryRun},
	{"tokens and reviews", tokens},
	{"dynamic client", dynamicRound},
	{"dynamic apply", dynamicApply},
	{"metadata client", metadataRound},
	{"discovery, REST mapping, OpenAPI", discoveryRound},
	{"watch with bookmarks", watchBookmarks},
	{"watch list", watchList},
	{"watch resumes, or says it has expired", watchResume},
	{"retry watcher", retryWatch},
	{"shared informers", informers},
	{"dynamic informers", dynamicInformers},
	{"leader election", leaders},
	{"events", events},
	{"a deployment's pods", deploymentPods},
}

func configMap(name string, data map[string]string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: data}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "a", Image: "a:1", Env: []corev1.EnvVar{{Name: "A", Value: "1"}}},
					{Name: "b", Image: "b:1"},
				}},
			},
		},
	}
}

func crud(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	made, err := maps.Create(ctx, &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "crud", Annotations: map[string]string{"note": "ü ✓"}},
		Data:       map[string]string{"k": "v"},
		BinaryData: map[string][]byte{"b": {0, 1, 0xfe, 0xff}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if made.UID == "" || made.ResourceVersion == "" || made.CreationTimestamp.IsZero() {
		return fmt.Errorf("made without uid, resourceVersion or creationTimestamp: %+v", made.ObjectMeta)
	}
	got, err := maps.Get(ctx, "crud", metav1.GetOptions{})
	if err != nil {
		return err
	}
	got.Data["k"] = "w"
	updated, err := maps.Update(ctx, got, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	names := []string{}
	for _, item := range list.Items {
		names = append(names, item.Name)
	}
	return firstError(
		want("binary data", got.BinaryData["b"], []byte{0, 1, 0xfe, 0xff}),
		want("annotation", got.Annotations["note"], "ü ✓"),
		want("updated", updated.Data["k"], "w"),
		want("uid after the update", updated.UID, made.UID),
		want("list has it", strings.Contains(strings.Join(names, " "), "crud"), true),
		maps.Delete(ctx, "crud", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &made.UID}}),
	)
}

func reasons(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	first, err := maps.Create(ctx, configMap("reason", nil, nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, twice := maps.Create(ctx, configMap("reason", nil, nil), metav1.CreateOptions{})
	_, none := maps.Get(ctx, "none", metav1.GetOptions{})
	second := first.DeepCopy()
	second.Data = map[string]string{"a": "b"}
	if _, err := maps.Update(ctx, second, metav1.UpdateOptions{}); err != nil {
		return err
	}
	_, stale := maps.Update(ctx, second, metav1.UpdateOptions{})
	_, invalid := maps.Create(ctx, configMap("Not_A_Name", nil, nil), metav1.CreateOptions{})
	other := types.UID("00000000-0000-0000-0000-000000000000")
	wrong := maps.Delete(ctx, "reason", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	status, _ := invalid.(apierrors.APIStatus)
	if status == nil || status.Status().Details == nil || len(status.Status().Details.Causes) == 0 {
		return fmt.Errorf("an invalid name without causes: %v", invalid)
	}
	// What retry.RetryOnConflict does with a conflict.
	tries := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		tries++
		cm := first
		if tries > 1 {
			if cm, err = maps.Get(ctx, "reason", metav1.GetOptions{}); err != nil {
				return err
			}
		}
		cm = cm.DeepCopy()
		cm.Labels = map[string]string{"try": "again"}
		_, err := maps.Update(ctx, cm, metav1.UpdateOptions{})
		return err
	})
	return firstError(
		err,
		want("tries", tries, 2),
		want("already exists", apierrors.IsAlreadyExists(twice), true),
		want("not found", apierrors.IsNotFound(none), true),
		want("message", none, `configmaps "none" not found`),
		want("conflict", apierrors.IsConflict(stale), true),
		want("invalid", apierrors.IsInvalid(invalid), true),
		want("field", status.Status().Details.Causes[0].Field, "metadata.name"),
		want("precondition", apierrors.IsConflict(wrong), true),
	)
}

func patches(ctx context.Context, s *suite) error {
	deployments := s.client.AppsV1().Deployments(s.ns)
	if _, err := deployments.Create(ctx, deployment("patched", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	strategic, err := deployments.Patch(ctx, "patched", types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"b:2"},{"name":"a","env":[{"name":"B","value":"2"}]}]}}}}`), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("strategic: %w", err)
	}
	containers := strategic.Spec.Template.Spec.Containers
	json1, err := deployments.Patch(ctx, "patched", types.JSONPatchType,
		[]byte(`[{"op":"test","path":"/spec/replicas","value":0},{"op":"add","path":"/metadata/labels/x~1y","value":"z"}]`), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("json: %w", err)
	}
	merge, err := deployments.Patch(ctx, "patched", types.MergePatchType,
		[]byte(`{"metadata":{"labels":{"x/y":null}},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"c:1"}]}}}}`), metav1.PatchOptions{})
	if err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	_, failing := deployments.Patch(ctx, "patched", types.JSONPatchType, []byte(`[{"op":"test","path":"/spec/replicas","value":7}]`), metav1.PatchOptions{})
	return firstError(
		want("containers", len(containers), 2),
		// A strategic merge puts the patch's order first.
		want("images", containers[0].Name+containers[0].Image+containers[1].Name+containers[1].Image, "bb:2aa:1"),
		want("env", len(containers[1].Env), 2),
		want("label", json1.Labels["x/y"], "z"),
		want("label gone", merge.Labels["x/y"], ""),
		want("containers replaced", len(merge.Spec.Template.Spec.Containers), 1),
		want("generation", merge.Generation, 3),
		want("failing test", apierrors.IsInvalid(failing), true),
		deployments.Delete(ctx, "patched", metav1.DeleteOptions{}),
	)
}

func applyTyped(ctx context.Context, s *suite) error {
	deployments := s.client.AppsV1().Deployments(s.ns)
	labels := map[string]string{"app": "applied"}
	intent := func(image string, replicas int32) *appsapply.DeploymentApplyConfiguration {
		return appsapply.Deployment("applied", s.ns).WithLabels(labels).WithSpec(appsapply.DeploymentSpec().
			WithReplicas(replicas).
			WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().
				WithContainers(coreapply.Container().WithName("a").WithImage(image)))))
	}
	if _, err := deployments.Apply(ctx, intent("a:1", 0), metav1.ApplyOptions{FieldManager: "one"}); err != nil {
		return err
	}
	two := appsapply.Deployment("applied", s.ns).WithSpec(appsapply.DeploymentSpec().WithReplicas(0).WithMinReadySeconds(3))
	if _, err := deployments.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "two"}); err != nil {
		return fmt.Errorf("a second owner of the same value: %w", err)
	}
	two.Spec.WithReplicas(2)
	_, conflict := deployments.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "two"})
	forced, err := deployments.Apply(ctx, two, metav1.ApplyOptions{FieldManager: "two", Force: true})
	if err != nil {
		return fmt.Errorf("forced: %w", err)
	}
	extracted, err := appsapply.ExtractDeployment(forced, "two")
	if err != nil {
		return fmt.Errorf("extract: %w", err)
	}
	// What a manager no longer names goes.
	gone, err := deployments.Apply(ctx, appsapply.Deployment("applied", s.ns), metav1.ApplyOptions{FieldManager: "two"})
	if err != nil {
		return fmt.Errorf("empty: %w", err)
	}
	managers := []string{}
	for _, m := range forced.ManagedFields {
		if m.Subresource == "" && m.Operation == metav1.ManagedFieldsOperationApply {
			managers = append(managers, m.Manager)
		}
	}
	return firstError(
		want("conflict", apierrors.IsConflict(conflict), true),
		want("conflict names", strings.Contains(fmt.Sprint(conflict), `conflict with "one": .spec.replicas`), true),
		want("replicas", *forced.Spec.Replicas, 2),
		want("managers", managers, []string{"one", "two"}),
		want("extracted", *extracted.Spec.MinReadySeconds, 3),
		want("minReadySeconds", gone.Spec.MinReadySeconds, 0),
		want("image stays", gone.Spec.Template.Spec.Containers[0].Image, "a:1"),
		deployments.Delete(ctx, "applied", metav1.DeleteOptions{}),
	)
}

func subresources(ctx context.Context, s *suite) error {
	deployments := s.client.AppsV1().Deployments(s.ns)
	made, err := deployments.Create(ctx, deployment("scaled", 0), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	scale, err := deployments.GetScale(ctx, "scaled", metav1.GetOptions{})
	if err != nil {
		return err
	}
	raised, err := deployments.UpdateScale(ctx, "scaled", &autoscalingv1.Scale{ObjectMeta: scale.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: 0}}, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	// The status alone changes through its subresource, the spec does not.
	pods := s.client.CoreV1().Pods(s.ns)
	pod, err := pods.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "status"},
		Spec:       corev1.PodSpec{SchedulerName: "nobody", Containers: []corev1.Container{{Name: "c", Image: "c:1"}}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod.Spec.Containers[0].Image = "other:1"
	pod.Status.Message = "told"
	changed, err := pods.UpdateStatus(ctx, pod, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	return firstError(
		want("selector", scale.Status.Selector, "app=scaled"),
		want("scale's uid", scale.UID, made.UID),
		want("replicas", raised.Spec.Replicas, 0),
		want("message", changed.Status.Message, "told"),
		want("image", changed.Spec.Containers[0].Image, "c:1"),
		want("QoS", changed.Status.QOSClass, "BestEffort"),
		pods.Delete(ctx, "status", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}),
		deployments.Delete(ctx, "scaled", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)}),
	)
}

func collections(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	for i := range 6 {
		labels := map[string]string{"parity": []string{"even", "odd"}[i%2], "set": "collection"}
		if _, err := maps.Create(ctx, configMap(fmt.Sprintf("c-%d", i), nil, labels), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	count := func(options metav1.ListOptions) int {
		list, err := maps.List(ctx, options)
		if err != nil {
			return -1
		}
		return len(list.Items)
	}
	odd := count(metav1.ListOptions{LabelSelector: "parity in (odd),set=collection"})
	one := count(metav1.ListOptions{FieldSelector: "metadata.name=c-3"})
	_, unsupported := maps.List(ctx, metav1.ListOptions{FieldSelector: "data.x=y"})
	err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "parity=odd"})
	return firstError(
		err,
		want("odd", odd, 3),
		want("one", one, 1),
		want("unsupported field", apierrors.IsBadRequest(unsupported), true),
		want("left", count(metav1.ListOptions{LabelSelector: "set=collection"}), 3),
	)
}

func pagination(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	for i := range 25 {
		if _, err := maps.Create(ctx, configMap(fmt.Sprintf("page-%02d", i), nil, map[string]string{"set": "page"}), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	selector := metav1.ListOptions{LabelSelector: "set=page", Limit: 10}
	first, err := maps.List(ctx, selector)
	if err != nil {
		return err
	}
	// The pages are of one moment: neither this object nor this deletion shows.
	if _, err := maps.Create(ctx, configMap("page-99", nil, map[string]string{"set": "page"}), metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "page-15", metav1.DeleteOptions{}); err != nil {
		return err
	}
	next := selector
	next.Continue = first.Continue
	second, err := maps.List(ctx, next)
	if err != nil {
		return err
	}
	next.Continue = second.Continue
	third, err := maps.List(ctx, next)
	if err != nil {
		return err
	}
	// The pager goes on by itself.
	seen := 0
	err = pager.New(pager.SimplePageFunc(func(o metav1.ListOptions) (runtime.Object, error) {
		return maps.List(ctx, o)
	})).EachListItem(ctx, metav1.ListOptions{LabelSelector: "set=page", Limit: 4}, func(runtime.Object) error {
		seen++
		return nil
	})
	next.Continue = "broken"
	_, broken := maps.List(ctx, next)
	all, _ := maps.List(ctx, metav1.ListOptions{LabelSelector: "set=page"})
	return firstError(
		err,
		want("pages", []int{len(first.Items), len(second.Items), len(third.Items)}, []int{10, 10, 5}),
		want("remaining", []int64{ptr.Deref(first.RemainingItemCount, -1)}, []int64{-1}),
		want("end", third.Continue, ""),
		want("revision", second.ResourceVersion, first.ResourceVersion),
		want("deleted since", second.Items[5].Name, "page-15"),
		want("pager", seen, 25),
		want("broken token", apierrors.IsBadRequest(broken), true),
		want("now", len(all.Items), 25),
		maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "set=page"}),
	)
}

func dryRun(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	made, err := maps.Create(ctx, configMap("dry", nil, nil), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return err
	}
	_, none := maps.Get(ctx, "dry", metav1.GetOptions{})
	return firstError(want("uid", made.UID != "", true), want("not stored", apierrors.IsNotFound(none), true))
}

func tokens(ctx context.Context, s *suite) error {
	accounts := s.client.CoreV1().ServiceAccounts(s.ns)
	if _, err := accounts.Create(ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	token, err := accounts.CreateToken(ctx, "robot", &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](600)}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	as := rest.AnonymousClientConfig(s.config)
	as.ContentType, as.AcceptContentTypes = s.config.ContentType, s.config.AcceptContentTypes
	as.BearerToken = token.Status.Token
	robot, err := kubernetes.NewForConfig(as)
	if err != nil {
		return err
	}
	self, err := robot.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, forbidden := robot.CoreV1().Secrets(s.ns).List(ctx, metav1.ListOptions{})
	access, err := robot.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authzv1.SelfSubjectAccessReview{
		Spec: authzv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authzv1.ResourceAttributes{Namespace: s.ns, Verb: "list", Resource: "secrets"}},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	review, err := s.client.AuthenticationV1().TokenReviews().Create(ctx, &authv1.TokenReview{Spec: authv1.TokenReviewSpec{Token: token.Status.Token}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	as.BearerToken = "made.up.token"
	stranger, err := kubernetes.NewForConfig(as)
	if err != nil {
		return err
	}
	_, unauthorized := stranger.CoreV1().Secrets(s.ns).List(ctx, metav1.ListOptions{})
	name := "system:serviceaccount:" + s.ns + ":robot"
	return firstError(
		want("self", self.Status.UserInfo.Username, name),
		want("forbidden", apierrors.IsForbidden(forbidden), true),
		want("allowed", access.Status.Allowed, false),
		want("review", review.Status.User.Username, name),
		want("unauthorized", apierrors.IsUnauthorized(unauthorized), true),
	)
}
