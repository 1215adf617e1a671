package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic/dynamicinformer"
	clientinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	toolswatch "k8s.io/client-go/tools/watch"
	"k8s.io/utils/ptr"
)

func schemeOf() *runtime.Scheme { return scheme.Scheme }

func next(ctx context.Context, w watch.Interface) (watch.Event, error) {
	select {
	case e, open := <-w.ResultChan():
		if !open {
			return e, fmt.Errorf("the watch ended")
		}
		return e, nil
	case <-ctx.Done():
		return watch.Event{}, ctx.Err()
	}
}

func watchBookmarks(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	// The server says how far it is at the latest just before it ends the watch.
	w, err := maps.Watch(ctx, metav1.ListOptions{
		ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true,
		LabelSelector: "watch=bookmark", TimeoutSeconds: ptr.To[int64](4),
	})
	if err != nil {
		return err
	}
	defer w.Stop()
	labels := map[string]string{"watch": "bookmark"}
	made, err := maps.Create(ctx, configMap("bookmark", nil, labels), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	// Leaves the selection: DELETED for this watcher.
	made.Labels = nil
	changed, err := maps.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	seen, bookmark := []string{}, ""
	for e := range w.ResultChan() {
		if e.Type == watch.Bookmark {
			bookmark = e.Object.(*corev1.ConfigMap).ResourceVersion
			continue
		}
		seen = append(seen, string(e.Type))
	}
	return firstError(
		want("events", seen, []string{"ADDED", "DELETED"}),
		want("bookmark is not older", bookmark >= changed.ResourceVersion && len(bookmark) >= len(changed.ResourceVersion), true),
		maps.Delete(ctx, "bookmark", metav1.DeleteOptions{}),
	)
}

func watchList(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	labels := map[string]string{"watch": "list"}
	for i := range 3 {
		if _, err := maps.Create(ctx, configMap(fmt.Sprintf("wl-%d", i), nil, labels), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	w, err := maps.Watch(ctx, metav1.ListOptions{
		SendInitialEvents: ptr.To(true), AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, LabelSelector: "watch=list",
	})
	if err != nil {
		return err
	}
	defer w.Stop()
	names := []string{}
	for {
		e, err := next(ctx, w)
		if err != nil {
			return err
		}
		cm := e.Object.(*corev1.ConfigMap)
		if e.Type == watch.Bookmark {
			return firstError(
				want("marks the end", cm.Annotations[metav1.InitialEventsAnnotationKey], "true"),
				want("initial", names, []string{"wl-0", "wl-1", "wl-2"}),
				maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "watch=list"}),
			)
		}
		names = append(names, cm.Name)
	}
}

func watchResume(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	made, err := maps.Create(ctx, configMap("resume", nil, nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if err := maps.Delete(ctx, "resume", metav1.DeleteOptions{}); err != nil {
		return err
	}
	w, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: made.ResourceVersion, FieldSelector: "metadata.name=resume"})
	if err != nil {
		return err
	}
	e, err := next(ctx, w)
	w.Stop()
	if err != nil {
		return err
	}
	// Kubernetes takes this one for its own fault: 500.
	_, wrong := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "abc"})
	// Clients try again on their own when they are told to.
	future := s.client.CoreV1().RESTClient().Get().Namespace(s.ns).Resource("configmaps").MaxRetries(0).
		VersionedParams(&metav1.ListOptions{ResourceVersion: "99999999999"}, scheme.ParameterCodec).Do(ctx).Error()
	return firstError(
		want("event", e.Type, watch.Deleted),
		want("no resourceVersion", wrong != nil && strings.Contains(wrong.Error(), `Invalid value: "abc"`), true),
		want("too large", apierrors.IsTimeout(future) && apierrors.HasStatusCause(future, metav1.CauseTypeResourceVersionTooLarge), true),
	)
}

func retryWatch(ctx context.Context, s *suite) error {
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	lw := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
		// Each watch lasts a second: the retry watcher must go on without a gap.
		o.TimeoutSeconds = ptr.To[int64](1)
		o.LabelSelector = "watch=retry"
		return maps.Watch(ctx, o)
	}}
	w, err := toolswatch.NewRetryWatcherWithContext(ctx, list.ResourceVersion, lw)
	if err != nil {
		return err
	}
	defer w.Stop()
	for i := range 8 {
		name := fmt.Sprintf("retry-%d", i)
		if _, err := maps.Create(ctx, configMap(name, nil, map[string]string{"watch": "retry"}), metav1.CreateOptions{}); err != nil {
			return err
		}
		e, err := next(ctx, w)
		if err != nil {
			return err
		}
		if err := want("next", e.Object.(*corev1.ConfigMap).Name, name); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond)
	}
	return maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "watch=retry"})
}

func informers(ctx context.Context, s *suite) error {
	factory := clientinformers.NewSharedInformerFactoryWithOptions(s.client, 0, clientinformers.WithNamespace(s.ns))
	informer := factory.Core().V1().ConfigMaps()
	seen := make(chan string, 100)
	if _, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { seen <- "add " + o.(*corev1.ConfigMap).Name },
		UpdateFunc: func(_, o any) { seen <- "update " + o.(*corev1.ConfigMap).Name },
		DeleteFunc: func(o any) { seen <- "delete " + o.(*corev1.ConfigMap).Name },
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { cancel(); factory.Shutdown() }()
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("%v did not sync", kind)
		}
	}
	maps := s.client.CoreV1().ConfigMaps(s.ns)
	made, err := maps.Create(ctx, configMap("informed", nil, nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Data = map[string]string{"a": "b"}
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "informed", metav1.DeleteOptions{}); err != nil {
		return err
	}
	for _, expected := range []string{"add informed", "update informed", "delete informed"} {
		if err := await(ctx, seen, expected); err != nil {
			return err
		}
	}
	_, gone := informer.Lister().ConfigMaps(s.ns).Get("informed")
	root, err := informer.Lister().ConfigMaps(s.ns).Get("kube-root-ca.crt")
	if err != nil {
		return err
	}
	return firstError(want("gone", apierrors.IsNotFound(gone), true), want("CA", len(root.Data["ca.crt"]) > 100, true))
}

func await(ctx context.Context, seen <-chan string, expected string) error {
	for {
		select {
		case got := <-seen:
			if got == expected {
				return nil
			}
		case <-ctx.Done():
			return fmt.Errorf("waiting for %q: %w", expected, ctx.Err())
		}
	}
}

func dynamicInformers(ctx context.Context, s *suite) error {
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(s.dynamic, 0, s.ns, nil)
	informer := factory.ForResource(configMaps).Informer()
	seen := make(chan string, 100)
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { seen <- o.(*unstructured.Unstructured).GetName() },
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer func() { cancel(); factory.Shutdown() }()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if _, err := s.client.CoreV1().ConfigMaps(s.ns).Create(ctx, configMap("dyn-informed", nil, nil), metav1.CreateOptions{}); err != nil {
		return err
	}
	return await(ctx, seen, "dyn-informed")
}

func leaders(ctx context.Context, s *suite) error {
	var leading atomic.Int32
	turns := make(chan string, 10)
	elect := func(ctx context.Context, identity string) (*leaderelection.LeaderElector, error) {
		return leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: s.ns},
				Client:     s.client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
			},
			LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
			ReleaseOnCancel: true,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { leading.Add(1); turns <- identity },
				OnStoppedLeading: func() {},
			},
		})
	}
	first, stopFirst := context.WithCancel(ctx)
	second, stopSecond := context.WithCancel(ctx)
	defer stopFirst()
	defer stopSecond()
	a, err := elect(first, "a")
	if err != nil {
		return err
	}
	b, err := elect(second, "b")
	if err != nil {
		return err
	}
	go a.Run(first)
	if err := await(ctx, turns, "a"); err != nil {
		return err
	}
	go b.Run(second)
	time.Sleep(time.Second)
	alone := leading.Load()
	stopFirst()
	if err := await(ctx, turns, "b"); err != nil {
		return err
	}
	lease, err := s.client.CoordinationV1().Leases(s.ns).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return err
	}
	return firstError(
		want("leaders at once", alone, 1),
		want("holder", ptr.Deref(lease.Spec.HolderIdentity, ""), "b"),
		want("transitions", ptr.Deref(lease.Spec.LeaseTransitions, 0) > 0, true),
	)
}

func deploymentPods(ctx context.Context, s *suite) error {
	deployments := s.client.AppsV1().Deployments(s.ns)
	if _, err := deployments.Create(ctx, deployment("web", 2), metav1.CreateOptions{}); err != nil {
		return err
	}
	lw := cache.NewListWatchFromClient(s.client.AppsV1().RESTClient(), "deployments", s.ns, fieldsNamed("web"))
	_, err := toolswatch.UntilWithSync(ctx, lw, &appsv1.Deployment{}, nil, func(e watch.Event) (bool, error) {
		d, ok := e.Object.(*appsv1.Deployment)
		return ok && d.Status.ReadyReplicas == 2, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for two ready pods: %w", err)
	}
	if err := deployments.Delete(ctx, "web", metav1.DeleteOptions{PropagationPolicy: ptr.To(metav1.DeletePropagationForeground)}); err != nil {
		return err
	}
	for {
		pods, err := s.client.CoreV1().Pods(s.ns).List(ctx, metav1.ListOptions{LabelSelector: "app=web"})
		if err != nil {
			return err
		}
		live := slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp == nil })
		_, err = deployments.Get(ctx, "web", metav1.GetOptions{})
		if !live && len(pods.Items) == 0 && apierrors.IsNotFound(err) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d pods are left: %w", len(pods.Items), ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
