// What containers may swap on a machine that does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noCgroups } from './cgroup.ts';
import type { KubeletOptions } from './option.ts';
import { startTestNode, testMachine } from './test-node.ts';

const gi = 2 ** 30;
const memory = (request: string | undefined, limit?: string) => ({
  resources: { ...(request ? { requests: { memory: request } } : {}), ...(limit ? { limits: { memory: limit } } : {}) },
});

/** `memory.swap.max` of the containers of a pod, by name. */
async function swapOf(options: Partial<KubeletOptions>, spec: object, limitsSwap = true) {
  const t = await startTestNode({
    machine: { ...testMachine, memoryBytes: 8 * gi, swapBytes: 4 * gi },
    failSwapOn: false,
    cgroups: { ...noCgroups, version: 2, limitsSwap: () => limitsSwap },
    ...options,
  });
  try {
    const found: Record<string, string | undefined> = {};
    const create = t.runtime.CreateContainer.bind(t.runtime);
    t.runtime.CreateContainer = request => {
      found[request.config?.metadata?.name ?? ''] = request.config?.linux?.resources?.unified?.['memory.swap.max'];
      return create(request);
    };
    await t.createPod({ metadata: { name: 'p' }, spec: { containers: [], ...spec } });
    return found;
  } finally {
    await t.stop();
  }
}

const containers = Object.entries({
  asks: memory('2Gi'),
  limited: memory('1Gi', '2Gi'),
  full: memory('1Gi', '1Gi'),
  none: memory(undefined),
}).map(([name, more]) => ({ name, image: 'example.com/app:1', ...more }));

test('none, unless the node gives shares', async () => {
  const nothing = { asks: '0', limited: '0', full: '0', none: '0' };
  assert.deepEqual(await swapOf({}, { containers }), nothing);
  const swapBehavior = 'LimitedSwap';
  const shares = { asks: String(gi), limited: String(gi / 2), full: '0', none: '0' };
  assert.deepEqual(await swapOf({ swapBehavior }, { containers }), shares);
  assert.deepEqual(await swapOf({ swapBehavior }, { containers, priority: 2_000_000_000 }), nothing);
  const [, , full] = containers;
  const guaranteed = {
    ...full,
    resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1', memory: '1Gi' } },
  };
  assert.deepEqual(await swapOf({ swapBehavior }, { containers: [guaranteed] }), { full: '0' });
});

test('nothing is said of it where there is no swap, or it cannot be limited', async () => {
  const one = { containers: containers.slice(0, 1) };
  assert.deepEqual(await swapOf({ machine: testMachine }, one), { asks: undefined });
  assert.deepEqual(await swapOf({}, one, false), { asks: undefined });
});
