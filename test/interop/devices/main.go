// Devices of a node, served with Kubernetes' own libraries: a driver of dynamic resources (made with kubeletplugin, as
// the drivers that vendors ship are), a device plugin, and a monitoring agent.
//
//	devices drive KUBECONFIG NODE KUBELET-ROOT     serves until it is ended
//	devices list KUBELET-ROOT                      what podresources tells, as JSON
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	resourceapi "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/dynamic-resource-allocation/kubeletplugin"
	"k8s.io/dynamic-resource-allocation/resourceslice"
	"k8s.io/utils/ptr"
)

const driverName = "gpu.example.com"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch {
	case len(args) == 4 && args[0] == "drive":
		return drive(ctx, args[1], args[2], args[3])
	case len(args) == 2 && args[0] == "list":
		return list(ctx, args[1])
	}
	return fmt.Errorf("usage: devices drive KUBECONFIG NODE KUBELET-ROOT | devices list KUBELET-ROOT")
}

func drive(ctx context.Context, kubeconfig, node, root string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	data := filepath.Join(root, "plugins", driverName)
	if err := os.MkdirAll(data, 0o750); err != nil {
		return err
	}
	d := &driver{node: node}
	helper, err := kubeletplugin.Start(ctx, d,
		kubeletplugin.DriverName(driverName),
		kubeletplugin.NodeName(node),
		kubeletplugin.KubeClient(client),
		kubeletplugin.PluginDataDirectoryPath(data),
		kubeletplugin.RegistrarDirectoryPath(filepath.Join(root, "plugins_registry")),
	)
	if err != nil {
		return err
	}
	defer helper.Stop()
	if err := helper.PublishResources(ctx, resources(node)); err != nil {
		return err
	}
	plugin, err := servePlugin(ctx, filepath.Join(root, "device-plugins"))
	if err != nil {
		return err
	}
	defer plugin()
	fmt.Println("serving")
	<-ctx.Done()
	return nil
}

func resources(node string) resourceslice.DriverResources {
	var devices []resourceapi.Device
	for i := range 2 {
		devices = append(devices, resourceapi.Device{
			Name: fmt.Sprintf("gpu-%d", i),
			Attributes: map[resourceapi.QualifiedName]resourceapi.DeviceAttribute{
				"index": {IntValue: ptr.To(int64(i))},
				"model": {StringValue: ptr.To("LATEST-GPU-MODEL")},
			},
		})
	}
	pool := resourceslice.Pool{Slices: []resourceslice.Slice{{Devices: devices}}}
	return resourceslice.DriverResources{Pools: map[string]resourceslice.Pool{node: pool}}
}

type driver struct{ node string }

func specPath(uid types.UID) string {
	return filepath.Join("/var/run/cdi", fmt.Sprintf("k8ts-interop-%s.json", uid))
}

func (d *driver) PrepareResourceClaims(
	_ context.Context, claims []*resourceapi.ResourceClaim,
) (map[types.UID]kubeletplugin.PrepareResult, error) {
	out := map[types.UID]kubeletplugin.PrepareResult{}
	for _, claim := range claims {
		devices, err := prepare(claim)
		out[claim.UID] = kubeletplugin.PrepareResult{Devices: devices, Err: err}
	}
	return out, nil
}

// A CDI file for the claim, a device in it for each it has been given.
func prepare(claim *resourceapi.ResourceClaim) ([]kubeletplugin.Device, error) {
	var out []kubeletplugin.Device
	var specs []any
	for i, result := range claim.Status.Allocation.Devices.Results {
		if result.Driver != driverName {
			continue
		}
		name := fmt.Sprintf("%s-%s", claim.UID, result.Device)
		env := []string{fmt.Sprintf("GPU_DEVICE_%d=%s", i, result.Device), "DRA_RESOURCE_DRIVER_NAME=" + driverName}
		node := map[string]any{"path": "/dev/" + result.Device, "hostPath": "/dev/null"}
		edits := map[string]any{"env": env, "deviceNodes": []any{node}}
		specs = append(specs, map[string]any{"name": name, "containerEdits": edits})
		out = append(out, kubeletplugin.Device{
			Requests:     []string{result.Request},
			PoolName:     result.Pool,
			DeviceName:   result.Device,
			CDIDeviceIDs: []string{"k8s." + driverName + "/gpu=" + name},
		})
	}
	spec, err := json.Marshal(map[string]any{
		"cdiVersion": "0.6.0", "kind": "k8s." + driverName + "/gpu", "devices": specs,
	})
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll("/var/run/cdi", 0o755); err != nil {
		return nil, err
	}
	return out, os.WriteFile(specPath(claim.UID), spec, 0o644)
}

func (d *driver) UnprepareResourceClaims(
	_ context.Context, claims []kubeletplugin.NamespacedObject,
) (map[types.UID]error, error) {
	out := map[types.UID]error{}
	for _, claim := range claims {
		err := os.Remove(specPath(claim.UID))
		if os.IsNotExist(err) {
			err = nil
		}
		out[claim.UID] = err
	}
	return out, nil
}

func (d *driver) HandleError(_ context.Context, err error, message string) {
	fmt.Fprintln(os.Stderr, message, err)
}
