// Nodes as tests need them: what a kubelet would have made of them.
import { cloneDeep, type Draft, formatMicroTime, formatTime } from '../api/meta.ts';
import { coordinationV1, coreV1 } from '../api/refs.ts';
import type { Lease } from '../api/type/coordination-v1.ts';
import type { Node } from '../api/type/core-v1.ts';
import type { FakeClient } from '../client/fake-client.ts';

const epoch = '2026-01-01T00:00:00Z';

/** A node as registered at the start of a bench; ready unless told otherwise. */
export function testNode(name: string, more: { ready?: string; labels?: Record<string, string> } = {}): Draft<Node> {
  const { ready = 'True', labels } = more;
  const condition = (type: string, status: string) => ({
    type,
    status,
    lastHeartbeatTime: epoch,
    lastTransitionTime: epoch,
    reason: 'KubeletPosted',
    message: 'posted',
  });
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `uid-${name}`, creationTimestamp: epoch, ...(labels ? { labels } : {}) },
    spec: {},
    status: {
      conditions: [
        ...['MemoryPressure', 'DiskPressure', 'PIDPressure'].map(t => condition(t, 'False')),
        condition('Ready', ready),
      ],
    },
  };
}

/** The kubelet posts its status: all is well but for what `status` names. */
export function heartbeat(client: FakeClient, name: string, status: Readonly<Record<string, string>> = {}): void {
  const now = formatTime(client.clock.now());
  const node: Draft<Node> = cloneDeep(client.object(coreV1.nodes, name)!);
  node.status!.conditions = node.status!.conditions!.map(c => {
    const next = status[c.type!] ?? (c.type === 'Ready' ? 'True' : 'False');
    return { ...c, status: next, lastHeartbeatTime: now, ...(next === c.status ? {} : { lastTransitionTime: now }) };
  });
  client.set(coreV1.nodes, node);
}

export function renewLease(client: FakeClient, name: string): void {
  client.set<Lease>(coordinationV1.leases, {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: formatMicroTime(client.clock.now()) },
  });
}

/** `key:Effect`, in order. */
export const taintsOf = (client: FakeClient, name: string): string[] =>
  (client.object(coreV1.nodes, name)?.spec?.taints ?? []).map(t => `${t.key.split('/')[1]}:${t.effect}`);
