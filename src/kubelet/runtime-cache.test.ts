import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { seededRandom } from '../base/random.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { simulatedRuntime } from '../cri/simulated.ts';
import { RuntimeCache } from './runtime-cache.ts';
import { startTestNode } from './test-node.ts';

/** Counts the calls of a runtime by name; `failing` names calls that fail. */
function countedRuntime() {
  const clock = new VirtualClock();
  const runtime = simulatedRuntime({ clock, random: seededRandom(1) });
  const calls: string[] = [];
  const failing = new Set<string>();
  const counted = new Proxy(runtime, {
    get(target, name, receiver) {
      const value = Reflect.get(target, name, receiver);
      if (typeof value !== 'function' || !/^[A-Z]/.test(String(name))) return value;
      return async (...args: unknown[]) => {
        calls.push(String(name));
        const result = await value.apply(target, args);
        // It happened, and the answer was lost.
        if (failing.delete(String(name))) throw new RuntimeError(String(name), 'Unknown', 'the answer was lost');
        return result;
      };
    },
  });
  return { runtime: counted, calls, failing };
}

const made = /^(RunPodSandbox|PodSandboxStatus|CreateContainer|StartContainer|ContainerStatus|List.*)$/;
const pod = {
  metadata: { name: 'web' },
  spec: { containers: [{ name: 'app', image: 'example.com/app:1' }] },
};

test('to start a pod the runtime is asked for what was made, not for lists', async () => {
  const { runtime, calls } = countedRuntime();
  const t = await startTestNode({ runtime });
  try {
    calls.length = 0;
    await t.createPod(pod);
    assert.equal((await t.getPod('web')).status?.phase, 'Running');
    assert.deepEqual(
      calls.filter(c => made.test(c)),
      ['RunPodSandbox', 'PodSandboxStatus', 'CreateContainer', 'StartContainer', 'ContainerStatus'],
    );
  } finally {
    await t.stop();
  }
});

test('what a failed call has left behind is found before the next try', async () => {
  const { runtime, calls, failing } = countedRuntime();
  const t = await startTestNode({ runtime });
  try {
    failing.add('RunPodSandbox').add('CreateContainer');
    await t.createPod(pod);
    await t.pass(60_000);
    assert.equal((await t.getPod('web')).status?.phase, 'Running');
    assert.equal(calls.filter(c => c === 'RunPodSandbox').length, 1);
    assert.equal(failing.size, 0);
  } finally {
    await t.stop();
  }
});

test('of all that is listed again only pods that differ are asked for', async () => {
  const labels = (uid: string) => ({ 'io.kubernetes.pod.uid': uid, 'io.kubernetes.pod.name': uid });
  const sandboxes = new Map(['a', 'b'].map(uid => [`${uid}0`, { uid, state: 'SANDBOX_READY' }]));
  const containers = new Map(['a', 'b'].map(uid => [`${uid}1`, { uid, state: 'CONTAINER_RUNNING' }]));
  const asked: string[] = [];
  const list = (of: typeof sandboxes, filter?: { label_selector: Record<string, string> }) => {
    const uid = filter?.label_selector['io.kubernetes.pod.uid'];
    if (uid) asked.push(uid);
    const items = [...of].filter(([, item]) => !uid || item.uid === uid);
    return items.map(([id, item]) => ({
      id,
      state: item.state,
      labels: labels(item.uid),
      pod_sandbox_id: `${item.uid}0`,
    }));
  };
  type Asked = { filter?: { label_selector: Record<string, string> } };
  const clock = new VirtualClock();
  const cache = new RuntimeCache({
    runtime: {
      ListPodSandbox: async ({ filter }: Asked) => ({ items: list(sandboxes, filter) }),
      ListContainers: async ({ filter }: Asked) => ({ containers: list(containers, filter) }),
      PodSandboxStatus: async ({ pod_sandbox_id: id }: { pod_sandbox_id: string }) => ({
        status: { id, state: sandboxes.get(id)!.state, network: { ip: '10.0.0.1' } },
      }),
      ContainerStatus: async ({ container_id: id }: { container_id: string }) => ({
        status: { id, state: containers.get(id)!.state, metadata: { name: 'c' } },
      }),
    },
    clock,
    log: silentLog,
    relistMs: 1000,
  } as unknown as ConstructorParameters<typeof RuntimeCache>[0]);
  const relisted = async (change: () => unknown = () => {}) => {
    asked.length = 0;
    change();
    await cache.relist();
    return [...new Set(asked)].join();
  };
  assert.equal(await relisted(), 'a,b');
  assert.equal(await relisted(), '');
  assert.equal(await relisted(() => (containers.get('b1')!.state = 'CONTAINER_EXITED')), 'b');
  assert.equal(cache.get('b')?.containers[0]?.state, 'exited');
  assert.equal(await relisted(() => containers.set('a2', { uid: 'a', state: 'CONTAINER_CREATED' })), 'a');
  assert.equal(await relisted(() => (sandboxes.get('a0')!.state = 'SANDBOX_NOTREADY')), 'a');
  assert.equal(await relisted(() => containers.delete('a1')), 'a');
  assert.equal(await relisted(() => [sandboxes.delete('b0'), containers.delete('b1')]), 'b');
  assert.deepEqual([cache.get('b'), cache.get('a')?.containers.length], [undefined, 1]);
  assert.equal(await relisted(), '');
});

test('that a container has started is left to who made it; that it has ended is not', async () => {
  const calls: string[] = [];
  let tell = (_: { type: string; id: string }) => {};
  const labels = { 'io.kubernetes.pod.uid': 'u', 'io.kubernetes.pod.name': 'p', 'io.kubernetes.pod.namespace': 'n' };
  const item = { id: '1', state: 'CONTAINER_EXITED', labels, pod_sandbox_id: '0' };
  const cache = new RuntimeCache({
    runtime: {
      watchEvents: async (handler: { onEvent: typeof tell }, signal: AbortSignal) => {
        tell = handler.onEvent;
        await new Promise(resolve => signal.addEventListener('abort', resolve));
      },
      ListPodSandbox: async () => ({ items: [] }),
      ListContainers: async () => ({ containers: calls.push('list') > 1 ? [item] : [] }),
      ContainerStatus: async () => {
        calls.push('look');
        return { status: { ...item, metadata: { name: 'c' } } };
      },
    },
    clock: new VirtualClock(),
    log: silentLog,
    relistMs: 60_000,
  } as unknown as ConstructorParameters<typeof RuntimeCache>[0]);
  const stopping = new AbortController();
  const running = cache.run(stopping.signal);
  await turns();
  await cache.making({ uid: 'u', name: 'p', namespace: 'n' }, async () => '1');
  tell({ type: 'started', id: '1' });
  await turns();
  assert.deepEqual(calls, ['list']);
  tell({ type: 'exited', id: '1' });
  await turns();
  assert.deepEqual(calls, ['list', 'list', 'look']);
  assert.equal(cache.get('u')?.containers[0]?.state, 'exited');
  await cache.lookAtContainer('u', '1', '0');
  tell({ type: 'started', id: '1' });
  await turns();
  assert.deepEqual(calls, ['list', 'list', 'look', 'look', 'look'], 'it is not being made any more');
  stopping.abort();
  await running;
});

const turns = () => new Promise<void>(resolve => void setTimeout(resolve, 5));
