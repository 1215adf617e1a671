package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/client-go/transport/spdy"
	utilexec "k8s.io/client-go/util/exec"
)

const (
	overSpdy      = true
	overWebSocket = false
)

var streamEdgeChecks = []check{
	{"exec's edges over WebSocket", func(ctx context.Context, s *suite) error { return execEdges(ctx, s, overWebSocket) }},
	{"exec's edges over SPDY", func(ctx context.Context, s *suite) error { return execEdges(ctx, s, overSpdy) }},
	{"port-forward's edges over WebSocket", func(ctx context.Context, s *suite) error { return forwardEdges(ctx, s, overWebSocket) }},
	{"port-forward's edges over SPDY", func(ctx context.Context, s *suite) error { return forwardEdges(ctx, s, overSpdy) }},
}

func (s *suite) executor(way bool, options *corev1.PodExecOptions) (remotecommand.Executor, error) {
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.ns).Name(s.pod).SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec)
	if way == overSpdy {
		return remotecommand.NewSPDYExecutor(s.config, "POST", request.URL())
	}
	return remotecommand.NewWebSocketExecutor(s.config, "GET", request.URL().String())
}

func (s *suite) exec(ctx context.Context, way bool, command ...string) (string, error) {
	executor, err := s.executor(way, &corev1.PodExecOptions{Command: command, Stdout: true, Stderr: true})
	if err != nil {
		return "", err
	}
	var out, said bytes.Buffer
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &out, Stderr: &said})
	return out.String() + said.String(), err
}

// Takes nothing until it is released.
type deaf struct{ release chan struct{} }

func (d deaf) Write(p []byte) (int, error) {
	<-d.release
	return len(p), nil
}

type sizes chan remotecommand.TerminalSize

func (q sizes) Next() *remotecommand.TerminalSize {
	size, open := <-q
	if !open {
		return nil
	}
	return &size
}

// These wait for commands to end and terminals to change: longer than a check usually may.
const edgesTimeout = 2 * time.Minute

func execEdges(ctx context.Context, s *suite, way bool) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), edgesTimeout)
	defer cancel()
	for _, step := range []func(context.Context, *suite, bool) error{
		exitCodes, refusals, unreadInput, deafReader, resized, crowd,
	} {
		if err := step(ctx, s, way); err != nil {
			return err
		}
	}
	return nil
}

func exitCodes(ctx context.Context, s *suite, way bool) error {
	for command, code := range map[string]int{"exit 1": 1, "exit 255": 255, "kill -9 $$": 137} {
		_, err := s.exec(ctx, way, "sh", "-c", command)
		var exit utilexec.CodeExitError
		if !errors.As(err, &exit) || exit.Code != code {
			return fmt.Errorf("%s: got %v", command, err)
		}
	}
	return nil
}

func refusals(ctx context.Context, s *suite, way bool) error {
	_, none := s.exec(ctx, way, "nonesuch")
	executor, err := s.executor(way, &corev1.PodExecOptions{Container: "nope", Command: []string{"true"}, Stdout: true})
	if err != nil {
		return err
	}
	nowhere := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: io.Discard})
	return firstError(says(none, "executable file not found"), says(nowhere, "container nope is not valid for pod "+s.pod))
}

func says(err error, text string) error {
	if err == nil || !strings.Contains(err.Error(), text) {
		return fmt.Errorf("wanted %q, got %v", text, err)
	}
	return nil
}

// A command that does not read its input ends all the same. Of more than a pipe holds containerd 1.6 waits for the end.
func unreadInput(ctx context.Context, s *suite, way bool) error {
	executor, err := s.executor(way, &corev1.PodExecOptions{Command: []string{"true"}, Stdin: true, Stdout: true})
	if err != nil {
		return err
	}
	input := strings.NewReader(strings.Repeat("x", 16<<10))
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: input, Stdout: io.Discard}); err != nil {
		return fmt.Errorf("unread input: %w", err)
	}
	return nil
}

// A client that reads nothing holds nobody up, and goes at once when it wants to. containerd 1.6 lets its command run on.
func deafReader(ctx context.Context, s *suite, way bool) error {
	executor, err := s.executor(way, &corev1.PodExecOptions{Command: []string{"timeout", "10", "yes"}, Stdout: true})
	if err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	reader := deaf{make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- executor.StreamWithContext(within, remotecommand.StreamOptions{Stdout: reader}) }()
	<-within.Done()
	if out, err := s.exec(ctx, way, "echo", "others"); err != nil || out != "others\n" {
		return fmt.Errorf("beside a deaf reader: %q, %v", out, err)
	}
	close(reader.release)
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("deaf reader: got %v", err)
	}
	return nil
}

func resized(ctx context.Context, s *suite, way bool) error {
	within, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	until := `until [ "$(stty size)" = "50 120" ]; do sleep 0.1; done; stty size`
	executor, err := s.executor(way, &corev1.PodExecOptions{Command: []string{"sh", "-c", until}, Stdin: true, Stdout: true, TTY: true})
	if err != nil {
		return err
	}
	queue := make(sizes, 2)
	queue <- remotecommand.TerminalSize{Height: 40, Width: 100}
	queue <- remotecommand.TerminalSize{Height: 50, Width: 120}
	defer close(queue)
	input, hold := io.Pipe()
	defer hold.Close()
	var out bytes.Buffer
	err = executor.StreamWithContext(within, remotecommand.StreamOptions{Stdin: input, Stdout: &out, Tty: true, TerminalSizeQueue: queue})
	lines := strings.Fields(out.String())
	return firstError(err, want("size", lines[max(0, len(lines)-2):], []string{"50", "120"}))
}

// Many at once mix nothing up.
func crowd(ctx context.Context, s *suite, way bool) error {
	return atOnce(12, func(i int) error {
		command := fmt.Sprintf("yes line-%d | head -c 300000", i)
		out, err := s.exec(ctx, way, "sh", "-c", command)
		line := fmt.Sprintf("line-%d\n", i)
		wanted := strings.Repeat(line, 300000/len(line)+1)[:300000]
		if err == nil && out != wanted {
			err = fmt.Errorf("of %q came %d bytes that are not its own", command, len(out))
		}
		return err
	})
}

func atOnce(count int, act func(i int) error) error {
	failures := make([]error, count)
	var group sync.WaitGroup
	for i := range count {
		group.Go(func() { failures[i] = act(i) })
	}
	group.Wait()
	return errors.Join(failures...)
}

// Port 8080 serves a page, 81 is closed. containerd 1.6 does not pass on that a client has ended its half.
func forwardEdges(ctx context.Context, s *suite, way bool) error {
	return s.forwarding(way, []string{"0:8080", "0:81"}, func(address func(i int) string) error {
		if err := atOnce(16, func(int) error { return page(address(0)) }); err != nil {
			return fmt.Errorf("at once: %w", err)
		}
		for range 10 {
			connection, err := net.Dial("tcp", address(0))
			if err != nil {
				return err
			}
			fmt.Fprint(connection, "GET / HTTP/1.0\r\n")
			_ = connection.(*net.TCPConn).SetLinger(0)
			connection.Close()
		}
		if err := page(address(0)); err != nil {
			return fmt.Errorf("after clients that broke off: %w", err)
		}
		return closedPort(address(1))
	})
}

// Acts while the pod's ports are forwarded; address says where the i-th is reached.
func (s *suite) forwarding(way bool, ports []string, act func(address func(i int) string) error) error {
	dialer, err := s.forwardDialer(way)
	if err != nil {
		return err
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	forwarder, err := portforward.NewOnAddresses(dialer, []string{"127.0.0.1"}, ports, stop, ready, io.Discard, io.Discard)
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
	found, err := forwarder.GetPorts()
	if err != nil {
		return err
	}
	return act(func(i int) string { return fmt.Sprintf("127.0.0.1:%d", found[i].Local) })
}

// The connection ends with nothing, also though the forwarder does not say why where it can be read.
func closedPort(address string) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(15 * time.Second))
	text, err := io.ReadAll(connection)
	if errors.Is(err, os.ErrDeadlineExceeded) || len(text) != 0 {
		return fmt.Errorf("a closed port: %q, %v", text, err)
	}
	return nil
}

func (s *suite) forwardDialer(way bool) (httpstream.Dialer, error) {
	request := s.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.ns).Name(s.pod).SubResource("portforward")
	if way == overWebSocket {
		return portforward.NewSPDYOverWebsocketDialer(request.URL(), s.config)
	}
	transport, upgrader, err := spdy.RoundTripperFor(s.config)
	if err != nil {
		return nil, err
	}
	return spdy.NewDialer(upgrader, &http.Client{Transport: transport}, "POST", request.URL()), nil
}

func page(address string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	answer, err := client.Get("http://" + address + "/")
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return firstError(err, want("page", string(text), "hello\n"))
}
