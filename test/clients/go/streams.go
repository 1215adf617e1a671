package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/utils/ptr"
)

var streamChecks = []check{
	{"logs", logs},
	{"exec over WebSocket", func(ctx context.Context, s *suite) error { return execRound(ctx, s, false) }},
	{"exec over SPDY", func(ctx context.Context, s *suite) error { return execRound(ctx, s, true) }},
	{"port-forward", forward},
}

func fieldsNamed(name string) fields.Selector {
	return fields.OneTermEqualSelector("metadata.name", name)
}

func logs(ctx context.Context, s *suite) error {
	stream, err := s.client.CoreV1().Pods(s.ns).GetLogs(s.pod, &corev1.PodLogOptions{TailLines: ptr.To[int64](1)}).Stream(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	return firstError(err, want("last line", string(text), "ready\n"))
}

func execRound(ctx context.Context, s *suite, overSpdy bool) error {
	run := func(input string, command ...string) (string, string, error) {
		request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.ns).Name(s.pod).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Command: command, Stdin: true, Stdout: true, Stderr: true}, scheme.ParameterCodec)
		var executor remotecommand.Executor
		var err error
		if overSpdy {
			executor, err = remotecommand.NewSPDYExecutor(s.config, "POST", request.URL())
		} else {
			executor, err = remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String())
		}
		if err != nil {
			return "", "", err
		}
		var out, errors bytes.Buffer
		err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: strings.NewReader(input), Stdout: &out, Stderr: &errors})
		return out.String(), errors.String(), err
	}
	big := strings.Repeat("0123456789abcdef", 1<<14)
	echoed, _, err := run(big, "cat")
	if err != nil {
		return err
	}
	out, said, err := run("", "sh", "-c", "echo out; echo err >&2; exit 7")
	var exit utilexec.CodeExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("exit 7: got %v", err)
	}
	return firstError(
		want("echoed", len(echoed), len(big)),
		want("output", out+said, "out\nerr\n"),
		want("code", exit.Code, 7),
	)
}

func forward(ctx context.Context, s *suite) error {
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.ns).Name(s.pod).SubResource("portforward")
	transport, upgrader, err := spdy.RoundTripperFor(s.config)
	if err != nil {
		return err
	}
	dialer := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", request.URL())
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, []string{"0:8080"}, stop, ready, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	defer func() { close(stop); <-ended }()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		return err
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return err
	}
	direct := &http.Client{Transport: &http.Transport{}}
	answer, err := direct.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports[0].Local))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return firstError(err, want("page", string(text), "hello\n"))
}
