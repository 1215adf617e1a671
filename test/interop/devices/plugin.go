package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	podresources "k8s.io/kubelet/pkg/apis/podresources/v1"
)

const (
	resourceName = "example.com/widget"
	endpoint     = "widget.sock"
)

// Serves and registers, and again each time the kubelet's socket is a new one, as device plugins must.
func servePlugin(ctx context.Context, directory string) (func(), error) {
	stop, err := register(ctx, directory)
	if err != nil {
		return nil, err
	}
	before, _ := os.Stat(filepath.Join(directory, "kubelet.sock"))
	go func() {
		for ctx.Err() == nil {
			time.Sleep(100 * time.Millisecond)
			now, err := os.Stat(filepath.Join(directory, "kubelet.sock"))
			if err != nil || os.SameFile(before, now) && before.ModTime().Equal(now.ModTime()) {
				continue
			}
			stop()
			if next, err := register(ctx, directory); err == nil {
				before, stop = now, next
			}
		}
	}()
	return func() { stop() }, nil
}

func register(ctx context.Context, directory string) (func(), error) {
	path := filepath.Join(directory, endpoint)
	_ = os.Remove(path)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	server := grpc.NewServer()
	deviceplugin.RegisterDevicePluginServer(server, &plugin{ctx: ctx})
	go func() { _ = server.Serve(listener) }()
	connection, err := dial(filepath.Join(directory, "kubelet.sock"))
	if err == nil {
		defer connection.Close()
		_, err = deviceplugin.NewRegistrationClient(connection).Register(ctx, &deviceplugin.RegisterRequest{
			Version:      deviceplugin.Version,
			Endpoint:     endpoint,
			ResourceName: resourceName,
			Options:      &deviceplugin.DevicePluginOptions{GetPreferredAllocationAvailable: true},
		})
	}
	if err != nil {
		server.Stop()
		return nil, err
	}
	return server.Stop, nil
}

func dial(socket string) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
}

type plugin struct {
	deviceplugin.UnimplementedDevicePluginServer
	ctx context.Context
}

func (p *plugin) GetDevicePluginOptions(context.Context, *deviceplugin.Empty) (*deviceplugin.DevicePluginOptions, error) {
	return &deviceplugin.DevicePluginOptions{GetPreferredAllocationAvailable: true, PreStartRequired: true}, nil
}

func (p *plugin) ListAndWatch(
	_ *deviceplugin.Empty, stream grpc.ServerStreamingServer[deviceplugin.ListAndWatchResponse],
) error {
	var devices []*deviceplugin.Device
	for i := range 3 {
		devices = append(devices, &deviceplugin.Device{
			ID:       fmt.Sprintf("widget-%d", i),
			Health:   deviceplugin.Healthy,
			Topology: &deviceplugin.TopologyInfo{Nodes: []*deviceplugin.NUMANode{{ID: 0}}},
		})
	}
	if err := stream.Send(&deviceplugin.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	select {
	case <-stream.Context().Done():
	case <-p.ctx.Done():
	}
	return nil
}

// The last ones first.
func (p *plugin) GetPreferredAllocation(
	_ context.Context, r *deviceplugin.PreferredAllocationRequest,
) (*deviceplugin.PreferredAllocationResponse, error) {
	out := &deviceplugin.PreferredAllocationResponse{}
	for _, c := range r.ContainerRequests {
		ids := c.AvailableDeviceIDs[len(c.AvailableDeviceIDs)-int(c.AllocationSize):]
		out.ContainerResponses = append(out.ContainerResponses, &deviceplugin.ContainerPreferredAllocationResponse{DeviceIDs: ids})
	}
	return out, nil
}

func (p *plugin) Allocate(_ context.Context, r *deviceplugin.AllocateRequest) (*deviceplugin.AllocateResponse, error) {
	out := &deviceplugin.AllocateResponse{}
	for _, c := range r.ContainerRequests {
		out.ContainerResponses = append(out.ContainerResponses, &deviceplugin.ContainerAllocateResponse{
			Envs:    map[string]string{"WIDGETS": strings.Join(c.DevicesIds, ",")},
			Devices: []*deviceplugin.DeviceSpec{{ContainerPath: "/dev/widget", HostPath: "/dev/zero", Permissions: "r"}},
		})
	}
	return out, nil
}

func (p *plugin) PreStartContainer(
	context.Context, *deviceplugin.PreStartContainerRequest,
) (*deviceplugin.PreStartContainerResponse, error) {
	return &deviceplugin.PreStartContainerResponse{}, nil
}

func list(ctx context.Context, root string) error {
	connection, err := dial(filepath.Join(root, "pod-resources", "kubelet.sock"))
	if err != nil {
		return err
	}
	defer connection.Close()
	response, err := podresources.NewPodResourcesListerClient(connection).List(ctx, &podresources.ListPodResourcesRequest{})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(response.PodResources)
}
