// Every extension point through plugins of a user's own: when each is called, and what its answer changes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { type KubeSchedulerConfiguration, readConfiguration } from './configuration.ts';
import type { Handle, Plugin } from './framework.ts';
import { errorStatus, Status, skip, unresolvable, unschedulable } from './status.ts';
import { schedulerBench, testNode, testPod } from './test-cluster.ts';

/** With the plugins after Kubernetes' own, as multiPoint puts them; to bind, before DefaultBinder. */
async function bench(
  plugins: Readonly<Record<string, Partial<Plugin>>>,
  more: { objects?: object[]; config?: object; seed?: number; handle?: (h: Handle) => void } = {},
) {
  const names = Object.keys(plugins).map(name => ({ name }));
  const binders = names.filter(({ name }) => plugins[name]!.bind);
  const bind = { disabled: [{ name: '*' }], enabled: [...binders, { name: 'DefaultBinder' }] };
  const config = { plugins: { multiPoint: { enabled: names }, bind }, ...more.config } as object;
  const factories = Object.fromEntries(
    Object.entries(plugins).map(([name, points]) => [
      name,
      (h: Handle): Plugin => {
        more.handle?.(h);
        return { name, eventsToRegister: () => [], ...points };
      },
    ]),
  );
  const options = readConfiguration({ profiles: [config] } as KubeSchedulerConfiguration, factories);
  const objects = more.objects ?? [testNode('a'), testNode('b')];
  return schedulerBench({ objects, seed: more.seed ?? 1, ...options });
}

/** A plugin that takes part in every point and writes down that it was asked. */
function tracer(name: string, calls: string[], own: Partial<Plugin> = {}): Partial<Plugin> {
  const note = (what: string) => void calls.push(`${name} ${what}`);
  const all: Partial<Plugin> = {
    preEnqueue: pod => void note(`preEnqueue ${pod.name}`),
    preFilter: (state, _pod, nodes) => {
      note(`preFilter ${nodes.map(n => n.name).sort()}`);
      state.write(name, { from: 'preFilter' });
      return undefined;
    },
    filter: (_state, _pod, node) => void note(`filter ${node.name}`),
    postFilter: (_state, _pod, statuses) => {
      note(`postFilter ${[...statuses.explicit.keys()].sort()}`);
      return { status: unschedulable(name, 'no room made') };
    },
    preScore: (_state, _pod, nodes) => void note(`preScore ${nodes.map(n => n.name).sort()}`),
    score: (_state, _pod, node) => {
      note(`score ${node.name}`);
      return 0;
    },
    normalize: (_state, _pod, nodes, scores) => note(`normalize ${nodes.length} ${scores.length}`),
    reserve: (state, _pod, node) => void note(`reserve ${node} ${(state.read(name) as { from: string }).from}`),
    unreserve: (_state, _pod, node) => note(`unreserve ${node}`),
    permit: (_state, _pod, node) => void note(`permit ${node}`),
    preBind: (_state, _pod, node) => void note(`preBind ${node}`),
    bind: (_state, _pod, node) => {
      note(`bind ${node}`);
      return Promise.resolve(skip);
    },
    postBind: (_state, _pod, node) => note(`postBind ${node}`),
  };
  return { ...all, ...own };
}

const only = (name: string): Partial<Plugin> => ({
  filter: (_state, _pod, node) => (node.name === name ? undefined : unschedulable('X', `not ${name}`)),
});

test('the points come in their order, each plugin of a point in the order of the profile', async () => {
  const calls: string[] = [];
  const prefersB = { score: (_s: unknown, _p: unknown, n: { name: string }) => (n.name === 'b' ? 100 : 0) };
  await using b = await bench({
    One: tracer('One', calls),
    Two: { ...tracer('Two', calls), ...prefersB },
  });
  assert.equal(await b.place(testPod('p')), 'b');
  // Filters and scores go node by node, from a node that is not always the same.
  const points = [...new Set(calls.map(c => c.replace(/^(\w+ (?:filter|score)) .*/, '$1')))];
  assert.deepEqual(points, [
    ...['One preEnqueue p', 'Two preEnqueue p', 'One preFilter a,b', 'Two preFilter a,b', 'One filter', 'Two filter'],
    ...['One preScore a,b', 'Two preScore a,b', 'One score', 'One normalize 2 2', 'Two normalize 2 2'],
    ...['One reserve b preFilter', 'Two reserve b preFilter', 'One permit b', 'Two permit b'],
    ...['One preBind b', 'Two preBind b', 'One bind b', 'Two bind b', 'One postBind b', 'Two postBind b'],
  ]);
});

test('no node passed: PostFilter, until one has made room, and its nomination', async () => {
  const calls: string[] = [];
  const second: Partial<Plugin> = {
    postFilter: () => {
      calls.push('Two postFilter');
      return { status: new Status('Success'), nominatedNode: 'b' };
    },
  };
  const third: Partial<Plugin> = {
    postFilter: () => assert.fail('room is made already'),
  };
  await using b = await bench({
    One: tracer('One', calls, { filter: () => unschedulable('One', 'full') }),
    Two: second,
    Three: third,
  });
  assert.equal(await b.place(testPod('p')), '');
  assert.deepEqual(calls.slice(-2), ['One postFilter a,b', 'Two postFilter']);
  assert.equal(b.client.object(coreV1.pods, 'default/p')?.status?.nominatedNodeName, 'b');
  assert.ok(!calls.some(c => /score|reserve|bind/i.test(c)));
});

test("the profile's QueueSort says who is first", async () => {
  // By name from the last, against the order of age and of priority.
  const order: string[] = [];
  const sorter: Partial<Plugin> = { less: (x, y) => x.info.name > y.info.name };
  const noting: Partial<Plugin> = { preFilter: (_s, pod) => void order.push(pod.name) };
  const plugins = { queueSort: { enabled: [{ name: 'ByName' }], disabled: [{ name: '*' }] } };
  const multiPoint = { enabled: [{ name: 'Noting' }] };
  await using b = await bench({ ByName: sorter, Noting: noting }, { config: { plugins: { ...plugins, multiPoint } } });
  for (const [i, name] of ['a', 'c', 'b'].entries())
    b.client.set(coreV1.pods, testPod(name, { spec: { priority: 10 - i } }));
  await b.settle();
  assert.deepEqual(order, ['c', 'b', 'a']);
});

test('one plugin sorts the queue, and at least one binds', async () => {
  const sorts: Partial<Plugin> = { less: () => false };
  await assert.rejects(bench({ Sorts: sorts }), /one queue sort plugin is needed, there are 2/);
  const config = { plugins: { bind: { disabled: [{ name: '*' }] } } };
  await assert.rejects(bench({}, { config }), /at least one bind plugin is needed/);
});

test('PreEnqueue keeps a pod out of the queue until it is let in', async () => {
  let open = false;
  let handle: Handle | undefined;
  const gate: Partial<Plugin> = { preEnqueue: () => (open ? undefined : unresolvable('Gate', 'not yet')) };
  await using b = await bench({ Gate: gate }, { handle: h => (handle = h) });
  assert.equal(await b.place(testPod('p')), '');
  assert.deepEqual([b.scheduler.queue.sizes.gated, b.events('p')], [1, []]);
  open = true;
  handle!.activate(b.scheduler.queue.entry('uid-p')!.info);
  await b.settle();
  assert.notEqual(b.nodeOf('p'), '');
});

test("Skip of PreFilter and PreScore leaves the plugin's Filter and Score out", async () => {
  const calls: string[] = [];
  const own = { preFilter: () => ({ status: skip }), preScore: () => skip, reserve: () => undefined };
  await using b = await bench({ One: tracer('One', calls, own) });
  assert.notEqual(await b.place(testPod('p')), '');
  assert.deepEqual(
    calls.filter(c => /filter|score|normalize/i.test(c)),
    [],
  );
});

test('PreFilter narrows the nodes, and two of them to what both allow', async () => {
  const narrow = (...names: string[]): Partial<Plugin> => ({ preFilter: () => ({ nodeNames: new Set(names) }) });
  await using b = await bench({ One: narrow('a', 'b'), Two: narrow('b', 'c') });
  assert.equal(await b.place(testPod('p')), 'b');
  await using none = await bench({ One: narrow('a'), Two: narrow('b') });
  await none.place(testPod('p'));
  assert.match(
    none.condition('p')!.message!,
    /^0\/2 nodes are available: node\(s\) didn't satisfy plugin\(s\) \[One Two\] simultaneously\./,
  );
});

test('Score with its weight and Normalize decide', async () => {
  const raw = (a: number, b: number): Partial<Plugin> => ({
    score: (_s, _p, node) => (node.name === 'a' ? a : b),
    normalize: (_s, _p, _n, scores) => {
      for (const [i, v] of scores.entries()) scores[i] = v / 10;
    },
  });
  const weighed = (one: number, two: number) => ({
    plugins: {
      score: {
        disabled: [{ name: '*' }],
        enabled: [
          { name: 'One', weight: one },
          { name: 'Two', weight: two },
        ],
      },
    },
  });
  const plugins = { One: raw(1000, 0), Two: raw(0, 500) };
  await using one = await bench(plugins, { config: weighed(1, 1) });
  assert.equal(await one.place(testPod('p')), 'a');
  await using two = await bench(plugins, { config: weighed(1, 3) });
  assert.equal(await two.place(testPod('p')), 'b');
});

test('a bind plugin that takes the pod binds it, and nobody after it is asked', async () => {
  const calls: string[] = [];
  const binder = (h: () => Handle): Partial<Plugin> => ({
    bind: async (_s, { pod }, node) => {
      calls.push(`bind ${node}`);
      const { namespace, name } = pod.metadata;
      await h().client.createSubresource(coreV1.pods, { namespace: namespace!, name: name! }, 'binding', {
        kind: 'Binding',
        apiVersion: 'v1',
        metadata: { namespace, name },
        target: { kind: 'Node', name: node },
      });
      return undefined;
    },
  });
  let handle: Handle | undefined;
  const late: Partial<Plugin> = { bind: () => assert.fail('the pod is bound already') };
  await using b = await bench(
    { Mine: binder(() => handle!), Late: late, Only: only('a') },
    { handle: h => (handle = h) },
  );
  assert.equal(await b.place(testPod('p')), 'a');
  assert.deepEqual(calls, ['bind a']);
});

test('a preparation that has nothing to do is left out', async () => {
  const calls: string[] = [];
  const idle = tracer('Idle', calls, { preBindPreFlight: () => skip });
  const busy = tracer('Busy', calls, { preBindPreFlight: () => undefined });
  await using b = await bench({ Idle: idle, Busy: busy, Only: only('a') });
  for (const name of ['sampled', 'not-sampled']) assert.equal(await b.place(testPod(name)), 'a');
  assert.deepEqual(
    calls.filter(c => c.includes('preBind')),
    ['Busy preBind a', 'Busy preBind a'],
  );
});

const rejected = unschedulable('', 'not now');
const failed = errorStatus('', 'no luck');
const refusals: readonly [point: string, answer: Partial<Plugin>, reason: string, message: string][] = [
  ['PreFilter', { preFilter: () => ({ status: rejected }) }, 'Unschedulable', '0/2 nodes are available: not now.'],
  ['PreFilter', { preFilter: () => ({ status: failed }) }, 'SchedulerError', 'running PreFilter plugin "Two": no luck'],
  ['Filter', { filter: () => rejected }, 'Unschedulable', '0/2 nodes are available: 2 not now.'],
  ['Filter', { filter: () => failed }, 'SchedulerError', 'running "Two" filter plugin: no luck'],
  ['PreScore', { preScore: () => failed }, 'SchedulerError', 'running PreScore plugin "Two": no luck'],
  ['Reserve', { reserve: () => rejected }, 'Unschedulable', '0/1 nodes are available: 1 not now.'],
  ['Reserve', { reserve: () => failed }, 'SchedulerError', 'running Reserve plugin "Two": no luck'],
  ['Permit', { permit: () => ({ status: rejected }) }, 'Unschedulable', '0/1 nodes are available: 1 not now.'],
  ['Permit', { permit: () => ({ status: failed }) }, 'SchedulerError', 'running Permit plugin "Two": no luck'],
  ['PreBind', { preBind: () => rejected }, 'Unschedulable', '0/1 nodes are available: 1 not now.'],
  ['PreBind', { preBind: () => failed }, 'SchedulerError', 'running PreBind plugin "Two": no luck'],
  ['Bind', { bind: async () => failed }, 'SchedulerError', 'running Bind plugin "Two": no luck'],
];

for (const [point, answer, reason, message] of refusals) {
  test(`${point} says ${reason}: what was reserved is given back, last first, and the pod stays`, async () => {
    const calls: string[] = [];
    const own = tracer('Two', calls, answer);
    await using b = await bench({ One: tracer('One', calls), Two: own, Three: tracer('Three', calls) });
    assert.equal(await b.place(testPod('p', { requests: { cpu: '1' } })), '');
    const condition = b.condition('p')!;
    assert.deepEqual([condition.reason, condition.message?.slice(0, message.length)], [reason, message]);
    assert.equal(b.events('p')[0], `Warning FailedScheduling: ${condition.message}`);
    assert.ok(!calls.some(c => c.includes('postBind')));
    const back = calls.filter(c => c.includes('unreserve')).map(c => c.split(' ')[0]);
    const reserves = ['Reserve', 'Permit', 'PreBind', 'Bind'].includes(point);
    assert.deepEqual(back, reserves ? ['Three', 'Two', 'One'] : []);
    assert.equal(b.scheduler.cache.assumedCount, 0);
  });
}
