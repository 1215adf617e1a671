package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"
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
	return s.forwarding(overSpdy, []string{"0:8080"}, func(address func(i int) string) error { return page(address(0)) })
}
