// Command clients drives a control plane with client-go as programs in the field do, and prints one JSON line a check.
//
//	clients -kubeconfig FILE [-content-type TYPE] [-only 'NAME;...'] [-pod NAME]
//
// It works in a namespace of its own and removes it. With -pod it runs only what needs a running container.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// suite is what every check gets.
type suite struct {
	config  *rest.Config
	client  kubernetes.Interface
	dynamic dynamic.Interface
	ns      string
	pod     string
}

type check struct {
	name string
	run  func(context.Context, *suite) error
}

type outcome struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

const checkTimeout = 30 * time.Second

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig file")
	contentType := flag.String("content-type", "application/json", "of requests and answers")
	only := flag.String("only", "", "names of checks, separated by semicolons")
	pod := flag.String("pod", "", "running pod NAMESPACE/NAME with a shell: check its streams only")
	flag.Parse()
	failed, err := run(*kubeconfig, *contentType, *only, *pod)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if failed {
		os.Exit(1)
	}
}

func run(kubeconfig, contentType, only, pod string) (failed bool, err error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return false, err
	}
	config.QPS, config.Burst = 1000, 2000
	config.ContentType = contentType
	if contentType != "application/json" {
		config.AcceptContentTypes = contentType + ",application/json"
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return false, err
	}
	// Unstructured objects travel as JSON always.
	plain := rest.CopyConfig(config)
	plain.ContentType, plain.AcceptContentTypes = "", ""
	dyn, err := dynamic.NewForConfig(plain)
	if err != nil {
		return false, err
	}
	s := &suite{config: config, client: client, dynamic: dyn}
	ctx := context.Background()
	checks := apiChecks
	if pod != "" {
		s.ns, s.pod, _ = strings.Cut(pod, "/")
		checks = append(streamChecks, streamEdgeChecks...)
	} else {
		made, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "client-go-"}}, metav1.CreateOptions{})
		if err != nil {
			return false, fmt.Errorf("making a namespace: %w", err)
		}
		s.ns = made.Name
		defer client.CoreV1().Namespaces().Delete(ctx, s.ns, metav1.DeleteOptions{})
	}
	// All at once: several wait for something.
	wanted := strings.Split(only, ";")
	var running sync.WaitGroup
	outcomes := make(chan outcome, len(checks))
	for _, c := range checks {
		if only == "" || slices.Contains(wanted, c.name) {
			running.Go(func() { outcomes <- measure(ctx, s, c) })
		}
	}
	running.Wait()
	close(outcomes)
	for o := range outcomes {
		line, err := json.Marshal(o)
		if err != nil {
			return false, err
		}
		fmt.Println(string(line))
		failed = failed || o.Error != ""
	}
	return failed, nil
}

func measure(ctx context.Context, s *suite, c check) outcome {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	began := time.Now()
	err := c.run(ctx, s)
	o := outcome{Name: c.name, Seconds: time.Since(began).Seconds()}
	if err != nil {
		o.Error = err.Error()
	}
	return o
}

// want compares two values by their print.
func want(what string, got, expected any) error {
	if g, e := fmt.Sprintf("%v", got), fmt.Sprintf("%v", expected); g != e {
		return fmt.Errorf("%s: got %s, want %s", what, g, e)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
