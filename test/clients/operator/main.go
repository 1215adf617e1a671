// Command operator is an operator as controller-runtime makes them, with two managers that lead in turn, and the story
// it goes through on a control plane that is there already; one JSON line a check.
//
//	operator -kubeconfig FILE -manifests FOLDER
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
)

type outcome struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

func main() {
	manifests := flag.String("manifests", "", "folder of the definition and the webhooks")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	failed, err := run(*manifests)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

func run(manifests string) (failed bool, err error) {
	config, err := ctrl.GetConfig()
	if err != nil {
		return false, err
	}
	scheme := runtime.NewScheme()
	if err := firstError(clientgoscheme.AddToScheme(scheme), addFleet(scheme)); err != nil {
		return false, err
	}
	existing := true
	env := &envtest.Environment{
		Config:                config,
		UseExistingCluster:    &existing,
		Scheme:                scheme,
		CRDDirectoryPaths:     []string{manifests + "/fleets.yaml"},
		ErrorIfCRDPathMissing: true,
		WebhookInstallOptions: envtest.WebhookInstallOptions{Paths: []string{manifests + "/webhooks.yaml"}},
	}
	config, err = env.Start()
	if err != nil {
		return false, fmt.Errorf("installing the definition and the webhooks: %w", err)
	}
	defer env.Stop()
	story, err := begin(config, scheme, &env.WebhookInstallOptions)
	if err != nil {
		return false, err
	}
	defer story.end()
	for _, c := range checks {
		o := story.measure(c)
		line, err := json.Marshal(o)
		if err != nil {
			return false, err
		}
		fmt.Println(string(line))
		failed = failed || o.Error != ""
	}
	return failed, nil
}

// story is what every check gets.
type story struct {
	ctx      context.Context
	client   client.WithWatch
	managers []ctrl.Manager
	stops    []context.CancelFunc
	running  sync.WaitGroup
	warnings *warnings
	ns       string
}

type warnings struct {
	mu   sync.Mutex
	seen []string
}

func (w *warnings) HandleWarningHeader(code int, agent, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, text)
}

func begin(config *rest.Config, scheme *runtime.Scheme, hooks *envtest.WebhookInstallOptions) (*story, error) {
	s := &story{ctx: context.Background(), warnings: &warnings{}}
	own := rest.CopyConfig(config)
	own.QPS, own.Burst = -1, -1
	own.WarningHandler = s.warnings
	var err error
	if s.client, err = client.NewWithWatch(own, client.Options{Scheme: scheme}); err != nil {
		return nil, err
	}
	made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-"}}
	if err := s.client.Create(s.ctx, made); err != nil {
		return nil, err
	}
	s.ns = made.Name
	for i, name := range []string{"Anne", "Mary"} {
		mgr, err := s.manager(config, scheme, hooks, i == 0, name)
		if err != nil {
			return nil, err
		}
		s.start(mgr)
		if i == 0 {
			<-mgr.Elected()
		}
	}
	return s, nil
}

func (s *story) manager(config *rest.Config, scheme *runtime.Scheme, hooks *envtest.WebhookInstallOptions, serving bool, name string) (ctrl.Manager, error) {
	lease, renew, retry := 3*time.Second, 2*time.Second, 200*time.Millisecond
	options := ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		Cache:                         cache.Options{DefaultNamespaces: map[string]cache.Config{s.ns: {}}},
		LeaderElection:                true,
		LeaderElectionID:              "fleet-operator",
		LeaderElectionNamespace:       s.ns,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
	}
	if serving {
		options.WebhookServer = webhook.NewServer(webhook.Options{Host: hooks.LocalServingHost, Port: hooks.LocalServingPort, CertDir: hooks.LocalServingCertDir})
	}
	mgr, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, err
	}
	if err := addController(mgr, name); err != nil {
		return nil, err
	}
	if serving {
		return mgr, addWebhooks(mgr)
	}
	return mgr, nil
}

func (s *story) start(mgr ctrl.Manager) {
	ctx, stop := context.WithCancel(s.ctx)
	s.managers = append(s.managers, mgr)
	s.stops = append(s.stops, stop)
	s.running.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "manager:", err)
		}
	})
}

func (s *story) end() {
	for _, stop := range s.stops {
		stop()
	}
	s.running.Wait()
	s.client.Delete(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}})
}

const checkTimeout = 15 * time.Second

func (s *story) measure(c check) outcome {
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.ctx, checkTimeout)
	defer cancel()
	o := outcome{Name: c.name}
	if err := c.run(ctx, s); err != nil {
		o.Error = err.Error()
	}
	o.Seconds = time.Since(began).Seconds()
	return o
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
