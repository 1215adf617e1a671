import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, PodStatus } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { emptyObservedPod, type ObservedContainer, type ObservedPod } from './kernel/observed.ts';
import { PodResources } from './pod-resources.ts';
import { type PodView, StatusPublisher } from './status-publisher.ts';
import type { WorkerContext } from './worker-context.ts';

const podWith = (container: object): Pod =>
  ({
    metadata: { name: 'p', namespace: 'default', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i', ...container }] },
    status: { phase: 'Pending' },
  }) as unknown as Pod;

const observe = (state: ObservedContainer['state']): ObservedPod => ({
  ...emptyObservedPod({ uid: 'u', name: 'p', namespace: 'default' }),
  containers: [{ id: '1', name: 'c', state, createdAtMs: 1, startedAtMs: 2 } as unknown as ObservedContainer],
});

function publisherOf(pod: Pod) {
  const view = {
    uid: 'u',
    name: 'default/p',
    pod,
    stage: 'sync' as PodView['stage'],
    verdict: undefined,
    removed: false,
    stopped: false,
    waiting: new Map<string, { reason: string; message: string }>(),
    killedToRestart: new Set<string>(),
    resources: new PodResources(),
    seen: observe('created'),
    observed: () => view.seen,
  };
  const set: PodStatus[] = [];
  let ready = false;
  const context = {
    clock: new VirtualClock(),
    log: silentLog,
    hostIps: ['10.0.0.1'],
    runtimeName: 'containerd',
    probes: { sync() {}, isStarted: () => true, isReady: () => ready },
    statuses: {
      current: () => set.at(-1) ?? view.pod.status ?? {},
      sourcesOf: () => ({ api: view.pod, own: set.at(-1) }),
      set: (_: string, status: PodStatus) => set.push(status),
    },
  } as unknown as WorkerContext;
  const publisher = new StatusPublisher(context, view as unknown as PodView);
  /** How many statuses were made of that. */
  const made = async (change: () => void = () => {}): Promise<number> => {
    const before = set.length;
    change();
    await publisher.publishNow();
    return set.length - before;
  };
  return { view, set, made, becomeReady: () => (ready = true) };
}

test('a status is made once of the same pod and the same look at the runtime', async () => {
  const { view, set, made } = publisherOf(podWith({}));
  assert.equal(await made(), 1);
  assert.equal(await made(), 0);
  assert.equal(await made(() => (view.seen = observe('running'))), 1);
  assert.ok(set.at(-1)?.containerStatuses?.[0]?.state?.running);
  assert.equal(await made(), 0);
  assert.equal(await made(() => (view.pod = { ...view.pod })), 1);
  assert.equal(await made(() => set.push({ phase: 'Running' })), 2, 'another was set meanwhile');
  assert.equal(await made(() => view.waiting.set('d', { reason: 'ErrImagePull', message: 'no' })), 1);
  assert.equal(await made(), 1, 'why containers wait may change');
  assert.equal(await made(() => view.waiting.clear()), 1);
  assert.equal(await made(), 0);
  assert.equal(await made(() => (view.stage = 'terminating')), 1);
});

test('what probes say may change at any time', async () => {
  const { view, set, made, becomeReady } = publisherOf(podWith({ readinessProbe: { tcpSocket: { port: 80 } } }));
  view.seen = observe('running');
  assert.equal(await made(), 1);
  assert.equal(set.at(-1)?.containerStatuses?.[0]?.ready, false);
  assert.equal(await made(becomeReady), 1);
  assert.equal(set.at(-1)?.containerStatuses?.[0]?.ready, true);
});
