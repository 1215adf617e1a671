// Pods as tests need them: what a kubelet would have made of them.
import { cloneDeep, type Draft, formatTime, keyOf } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { FakeClient } from '../client/fake-client.ts';

/** Puts a new status on a pod. */
export function setPodStatus(client: FakeClient, pod: Pod, status: Draft<Pod>['status'], spec: object = {}): void {
  const now = client.object(coreV1.pods, keyOf(pod));
  if (now) client.set(coreV1.pods, { ...now, spec: { ...now.spec, ...spec }, status } as Draft<Pod>);
}

export function setPodMetadata(client: FakeClient, pod: Pod, metadata: Draft<Pod>['metadata']): void {
  const now: Draft<Pod> = cloneDeep(client.object(coreV1.pods, keyOf(pod))!);
  client.set(coreV1.pods, { ...now, metadata: { ...now.metadata, ...metadata } });
}

export function makeReady(client: FakeClient, pod: Pod, node = 'n'): void {
  const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: formatTime(client.clock.now()) }];
  setPodStatus(client, pod, { phase: 'Running', conditions }, { nodeName: node });
}

/** All pods that are not ready become so. */
export function makeAllReady(client: FakeClient): void {
  for (const pod of client.objects(coreV1.pods))
    if (pod.status?.phase === 'Pending' && !pod.metadata.deletionTimestamp) makeReady(client, pod);
}

/** What has been deleted and waits for its kubelet goes. */
export function endTerminating(client: FakeClient): void {
  for (const pod of client.objects(coreV1.pods))
    if (pod.metadata.deletionTimestamp) client.remove(coreV1.pods, keyOf(pod));
}

/** Writes other than events. */
export const writesBut = (client: FakeClient): string[] => client.writes().filter(w => !w.includes(' events '));
