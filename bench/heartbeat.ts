// A node's status as a kubelet reports it, and the same a minute later.

const condition = (type: string, status: string) => ({
  type,
  status,
  lastHeartbeatTime: '2026-01-02T03:04:05Z',
  lastTransitionTime: '2026-01-01T00:00:00Z',
  reason: `Kubelet${type}`,
  message: `kubelet says ${type} is ${status}`,
});

const resources = { cpu: '8', 'ephemeral-storage': '100Gi', 'hugepages-2Mi': '0', memory: '32Gi', pods: '110' };

export function nodeObject() {
  return {
    metadata: { name: 'n' },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [
        condition('MemoryPressure', 'False'),
        condition('DiskPressure', 'False'),
        condition('PIDPressure', 'False'),
        condition('Ready', 'True'),
      ],
      addresses: [
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'Hostname', address: 'n' },
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: 10250 } },
      nodeInfo: { machineID: 'm', kernelVersion: '6.1', osImage: 'Debian', kubeletVersion: 'v1.36.2' },
      images: Array.from({ length: 30 }, (_, i) => ({
        names: [
          `registry.example/image-${i}@sha256:0d17b565c37bcbd895e9d92315a05c1c3c9a29f7`,
          `registry.example/image-${i}:1`,
        ],
        sizeBytes: 1_000_000 + i,
      })),
    },
  };
}

export function heartbeat<T>(node: T): T {
  const later = structuredClone(node) as any;
  for (const c of later.status.conditions) c.lastHeartbeatTime = '2026-01-02T03:05:05Z';
  return later as T;
}
