import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOf } from '../api/meta.ts';
import { appsV1, coreV1 } from '../api/refs.ts';
import { internalError, modified } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { seededRandom } from '../base/random.ts';
import { fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import type { Controller, ControllerContext, Reconciler } from './controller.ts';
import { controllerBench } from './controller-bench.ts';
import { runControllers } from './engine.ts';
import { controllerGraph } from './graph.ts';
import { selectControllers } from './select-controllers.ts';

const { configmaps, pods, nodes, services } = coreV1;

async function setUp(controllers: Controller[], select?: string[]) {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock });
  const random = seededRandom(1);
  const lines: string[] = [];
  const log = createLog('test', { clock, level: 'debug', write: l => lines.push(l) });
  const informers = createInformerFactory(client, { clock, random, log });
  const stop = new AbortController();
  const metrics = createMetrics();
  const options = { client, informers, clock, random, log, metrics, ...(select ? { select } : {}) };
  const running = runControllers(controllers, options, stop.signal);
  const start = async () => {
    informers.run(stop.signal);
    await clock.advance(0);
  };
  const put = (name: string, i = '0') => client.set(configmaps, { metadata: { namespace: 'a', name }, data: { i } });
  return { clock, client, stop, running, lines, metrics, start, put, informers };
}

/** Watches config maps; `reconcile` and what else is given. */
function controller(
  name: string,
  make: (c: ControllerContext) => Reconciler,
  more: Partial<Controller> = {},
): Controller {
  return {
    name,
    serviceAccount: name,
    watches: [{ resource: configmaps, keys: o => [keyOf(o)] }],
    writes: ['configmaps'],
    create: make,
    ...more,
  };
}

describe('engine', () => {
  it('reconciles what exists and what changes, after all listers are complete', async () => {
    const seen: string[] = [];
    const c = controller(
      'one',
      context => {
        assert.equal(context.lister(nodes).size, 1, 'reads are complete');
        return {
          async reconcile(key) {
            seen.push(`${key} ${context.lister(configmaps).get(key)?.data?.i ?? 'gone'}`);
          },
        };
      },
      { reads: [nodes] },
    );
    const { clock, client, start, put, stop, running } = await setUp([c]);
    client.set(nodes, { metadata: { name: 'n' } });
    put('x');
    await start();
    assert.deepEqual(seen.splice(0), ['a/x 0']);
    put('x', '1');
    put('y');
    await clock.advance(0);
    assert.deepEqual(seen.splice(0).sort(), ['a/x 1', 'a/y 0']);
    client.remove(configmaps, 'a/x');
    await clock.advance(0);
    assert.deepEqual(seen.splice(0), ['a/x gone']);
    stop.abort();
    await running;
    put('z');
    await clock.advance(0);
    assert.deepEqual(seen, []);
  });

  it('acts as the controller', async () => {
    const c = controller('one', ({ client, events }) => ({
      async reconcile() {
        const pod = await client.create<Pod>(pods, { metadata: { namespace: 'a', name: 'p' } });
        events.event(pod, 'Normal', 'Made', 'made it');
      },
    }));
    const { clock, client, start, put, stop } = await setUp([c]);
    put('x');
    await start();
    await clock.advance(0);
    const create = client.actions.find(a => a.verb === 'create')!;
    assert.equal(create.userAgent, 'kube-controller-manager/one');
    assert.equal(create.serviceAccount, 'one');
    assert.equal(client.objects(coreV1.events)[0]?.source?.component, 'one');
    stop.abort();
  });

  it('retries with back-off; conflicts quietly, others told once', async () => {
    const times: number[] = [];
    const failures = [
      modified({ group: '', resource: 'pods' }, 'p'),
      internalError('x'),
      internalError('x'),
      internalError('y'),
    ];
    const c = controller('one', ({ clock }) => ({
      async reconcile() {
        times.push(clock.monotonic());
        const failure = failures.shift();
        if (failure) throw failure;
      },
    }));
    const { clock, start, put, stop, lines } = await setUp([c]);
    put('x');
    await start();
    await clock.advance(1000);
    assert.deepEqual(times, [0, 5, 15, 35, 75]);
    const told = lines.filter(l => l.includes('reconcile failed'));
    assert.deepEqual(
      told.map(l => l.split(' ')[1]),
      ['DEBUG', 'ERROR', 'DEBUG', 'ERROR'],
    );
    stop.abort();
  });

  it('requeues on request, and on enqueue', async () => {
    const times: string[] = [];
    const c = controller('one', context => ({
      async reconcile(key) {
        times.push(`${context.clock.monotonic()} ${key}`);
        if (key === 'a/x' && times.length === 1) {
          context.enqueue('other', 2000);
          return { requeueAfterMs: 5000 };
        }
      },
    }));
    const { clock, start, put, stop } = await setUp([c]);
    put('x');
    await start();
    await clock.advance(20_000);
    assert.deepEqual(times, ['0 a/x', '2000 other', '5000 a/x']);
    stop.abort();
  });

  it('works on several keys at once, on one key once', async () => {
    let active = 0;
    let most = 0;
    const c = controller(
      'one',
      ({ clock }) => ({
        async reconcile() {
          most = Math.max(most, ++active);
          await clock.sleep(10);
          active--;
        },
      }),
      { workers: 3 },
    );
    const { clock, start, put, stop } = await setUp([c]);
    for (let i = 0; i < 10; i++) put(`x${i}`);
    await start();
    await clock.advance(1000);
    assert.equal(most, 3);
    assert.equal(active, 0);
    stop.abort();
  });

  it('keeps one failing controller from the others', async () => {
    let starts = 0;
    const seen: string[] = [];
    const bad = controller('bad', () => {
      if (++starts < 3) throw new Error('cannot start');
      return { reconcile: async key => void seen.push(`bad ${key}`) };
    });
    let runs = 0;
    const good = controller('good', () => ({
      reconcile: async key => void seen.push(`good ${key}`),
      async run() {
        if (++runs < 2) throw new Error('background broke');
      },
    }));
    const { clock, start, put, stop, running } = await setUp([bad, good]);
    put('x');
    await start();
    assert.deepEqual(seen, ['good a/x']);
    await clock.advance(60_000);
    assert.deepEqual(seen, ['good a/x', 'bad a/x']);
    assert.equal(runs, 2);
    stop.abort();
    await running;
  });

  it('lets a reconciler observe before keys are queued; refuses what is not declared', async () => {
    const seen: string[] = [];
    const c = controller('one', context => {
      context.observe(configmaps, { onAdd: o => seen.push(`saw ${keyOf(o)}`) });
      assert.throws(() => context.lister(services), /does not declare/);
      return { reconcile: async key => void seen.push(`reconciled ${key}`) };
    });
    const { clock, start, put, stop } = await setUp([c]);
    await start();
    put('x');
    await clock.advance(0);
    assert.deepEqual(seen, ['saw a/x', 'reconciled a/x']);
    stop.abort();
  });

  it('keeps indexes', async () => {
    let found: readonly unknown[] = [];
    const c = controller(
      'one',
      context => ({
        async reconcile() {
          found = context.lister(pods).byIndex('node', 'n1').map(keyOf);
        },
      }),
      {
        reads: [pods],
        indexes: [{ resource: pods, name: 'node', values: (p: Pod) => [p.spec?.nodeName ?? ''] }],
      },
    );
    const { client, start, put, stop, metrics } = await setUp([c]);
    client.set(pods, { metadata: { namespace: 'a', name: 'p' }, spec: { nodeName: 'n1' } } as object);
    client.set(pods, { metadata: { namespace: 'a', name: 'q' }, spec: { nodeName: 'n2' } } as object);
    put('x');
    await start();
    assert.deepEqual(found, ['a/p']);
    assert.match(await metrics.text(), /workqueue_adds_total\{name="one"\} 1/);
    stop.abort();
  });
});

describe('controller bench', () => {
  it('runs a controller against objects until told to stop', async () => {
    const c = controller('one', ({ client, lister, events }) => ({
      async reconcile(key) {
        const object = lister(configmaps).get(key);
        if (!object) return;
        events.event(object, 'Normal', 'Seen', key);
        await client.delete(configmaps, object.metadata);
      },
    }));
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { namespace: 'a', name: 'x' } };
    await using bench = await controllerBench([c], { objects: [object] });
    assert.deepEqual(bench.client.objects(configmaps), []);
    assert.deepEqual(bench.events(), ['Normal Seen: a/x']);
    bench.client.set(configmaps, object);
    await bench.settle();
    assert.deepEqual(
      bench.client.writes().filter(w => w.startsWith('delete')),
      ['delete configmaps a/x', 'delete configmaps a/x'],
    );
  });
});

describe('selecting controllers', () => {
  const all = ['a', 'b', 'c'].map(name => ({ name }));
  const names = (select?: string[], off?: string[]) =>
    selectControllers(all, select, off)
      .map(c => c.name)
      .join('');
  it('reads --controllers', () => {
    assert.equal(names(), 'abc');
    assert.equal(names(['*'], ['b']), 'ac');
    assert.equal(names(['*', 'b'], ['b']), 'abc');
    assert.equal(names(['*', '-a']), 'bc');
    assert.equal(names(['c']), 'c');
    assert.equal(names(['-c']), '');
    assert.throws(() => names(['d']), /"d" is not in the list of known controllers/);
    assert.deepEqual(selectControllers(all, ['d', 'a', '-d'], [], new Set(['d'])), [{ name: 'a' }]);
  });
});

describe('graph', () => {
  it('shows who watches and writes what', () => {
    const c = controller('b', () => ({ async reconcile() {} }), { reads: [nodes], writes: ['pods', 'pods/status'] });
    const d = { ...c, name: 'a', watches: [{ resource: appsV1.deployments, keys: () => [] }], reads: [] };
    assert.equal(
      controllerGraph([c, d]),
      `a
  watches    deployments.apps
  writes     pods, pods/status

b
  watches    configmaps
  reads      nodes
  writes     pods, pods/status

configmaps
  watched by b

deployments.apps
  watched by a

nodes
  read by    b

pods
  written by a, b

pods/status
  written by a, b
`,
    );
  });
});
