import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { RuntimeError } from '../cri/runtime-error.ts';
import { simulatedRuntime } from '../cri/simulated.ts';
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
