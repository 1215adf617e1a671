// What the fake client's subresources answer and do, besides status.
import { formatTime, type ObjectKey } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { conflict } from '../api/status.ts';
import type { Loose } from './fake-write.ts';

export function scaleOf(object: Loose): object {
  const labels: Record<string, string> = object.spec?.selector?.matchLabels ?? {};
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: object.metadata.name,
      namespace: object.metadata.namespace,
      uid: object.metadata.uid,
      resourceVersion: object.metadata.resourceVersion,
      creationTimestamp: object.metadata.creationTimestamp,
    },
    spec: { replicas: object.spec?.replicas ?? 1 },
    status: {
      replicas: object.status?.replicas ?? 0,
      selector: Object.keys(labels)
        .sort()
        .map(k => `${k}=${labels[k]}`)
        .join(','),
    },
  };
}

/** Changes `pod`. */
export function bind(resource: ResourceRef<any>, pod: Loose, node: string | undefined, nowMs: number): void {
  const { name } = pod.metadata;
  if (pod.spec?.nodeName)
    throw conflict(resource, name, `pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  pod.spec = { ...pod.spec, nodeName: node };
  const conditions = (pod.status?.conditions ?? []).filter((c: any) => c.type !== 'PodScheduled');
  conditions.push({ type: 'PodScheduled', status: 'True', lastTransitionTime: formatTime(nowMs) });
  pod.status = { ...pod.status, conditions };
}

export function tokenOf({ namespace, name }: ObjectKey, request: any, nowMs: number): object {
  const expirationTimestamp = formatTime(nowMs + (request.spec?.expirationSeconds ?? 3600) * 1000);
  return { ...request, status: { token: `fake-token-${namespace}-${name}`, expirationTimestamp } };
}
