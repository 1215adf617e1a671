// What the Go modules of kube-apiserver do to etcd, for tests beside them: `store` speaks to etcd with the storage layer
// of k8s.io/apiserver, `wire` reads and writes objects of every kind, one JSON request a line; `definitions`, `flunders` and `aggregator` are API servers made of it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	definitions "k8s.io/apiextensions-apiserver/pkg/cmd/server"
	flunders "k8s.io/sample-apiserver/pkg/cmd/server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) < 2 {
		return fmt.Errorf("usage: storage store|wire|definitions|flunders|aggregator FLAG…")
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	name, args := os.Args[1], os.Args[2:]
	if name != "store" && name != "wire" {
		go endWithInput()
	}
	switch name {
	case "store":
		return serveStore(ctx, args)
	case "wire":
		return serveWire(os.Stdin, os.Stdout)
	case "aggregator":
		return serveAggregator(ctx, args)
	case "definitions":
		command := definitions.NewServerCommand(ctx, os.Stdout, os.Stderr)
		command.SetArgs(args)
		return command.Execute()
	case "flunders":
		command := flunders.NewCommandStartWardleServer(ctx, flunders.NewWardleServerOptions(os.Stdout, os.Stderr), false)
		command.SetArgs(args)
		return command.Execute()
	}
	return fmt.Errorf("no such program: %q", name)
}

// endWithInput ends the program when whoever started it has gone, killed tests included.
func endWithInput() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}
