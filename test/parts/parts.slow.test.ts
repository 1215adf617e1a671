// Controllers and scheduler as programs of their own, behind proxies that do the worst a network or a server can.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { appsV1, batchV1, coordinationV1, coreV1 } from '../../src/api/refs.ts';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Asked, Fault, FaultyProxy } from './faulty-proxy.ts';
import { type PartsCluster, partsCluster } from './parts-cluster.ts';

type Any = any;

const patienceMs = 90_000;
let c: PartsCluster;
before(async () => {
  // As an older one.
  c = await partsCluster({ runtimeConfig: { 'resource.k8s.io/v1': false } });
});
afterEach(() => c?.clear());
after(() => c?.stop());

async function eventually(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonic() + patienceMs;
  while (!(await holds())) {
    const logs = [...c.parts.values()].map(({ part }) => part.said().slice(-2000)).join('\n');
    assert.ok(systemClock.monotonic() < endMs, `not in time: ${what}\n${logs}`);
    await systemClock.sleep(100);
  }
}

const template = (app: string, image: string, more: object = {}) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image }], ...more },
});

async function makeWork(namespace: string): Promise<void> {
  await c.client.create(coreV1.namespaces, { metadata: { name: namespace } });
  const selector = { matchLabels: { app: 'web' } };
  await c.client.create(appsV1.deployments, {
    metadata: { name: 'web', namespace },
    spec: { replicas: 3, selector, template: template('web', 'a') },
  } as Any);
  await c.client.create(batchV1.jobs, {
    metadata: { name: 'ix', namespace },
    spec: {
      ...{ completions: 2, parallelism: 2, completionMode: 'Indexed' },
      template: template('ix', 'work', { restartPolicy: 'Never' }),
    },
  } as Any);
}

async function settled(namespace: string): Promise<boolean> {
  const { status } = await c.client.get(appsV1.deployments, { namespace, name: 'web' });
  const job = await c.client.get(batchV1.jobs, { namespace, name: 'ix' });
  const pods = (await c.client.list(coreV1.pods, { namespace })).items;
  const held = pods.some(p => p.metadata.labels?.app === 'ix' && p.metadata.finalizers?.length);
  const web = pods.filter(p => p.metadata.labels?.app === 'web');
  const right = status?.availableReplicas === 3 && status.replicas === 3 && web.length === 3;
  return right && job.status?.succeeded === 2 && !held;
}

const holderOf = async (name: string) =>
  (await c.client.get(coordinationV1.leases, { namespace: 'kube-system', name })).spec?.holderIdentity ?? '';

async function add(...names: string[]): Promise<FaultyProxy[]> {
  return Promise.all(names.map(name => c.add(name)));
}

test('without a kind that the server does not serve', async () => {
  await add('controllers-a', 'scheduler-a');
  await makeWork('unserved');
  await eventually('the work', () => settled('unserved'));
  const { part, proxy } = c.parts.get('scheduler-a')!;
  assert.match(part.said(), /does not have this kind, going on without resource=resourceclaims\.v1\.resource\.k8s\.io/);
  const before = proxy.asked.length;
  await systemClock.sleep(5000);
  assert.ok(proxy.asked.length - before < 50, `${proxy.asked.length - before} requests in 5 s`);
});

test('what is no event is not taken for one', async () => {
  const kinds = ['error frame', 'half frame', 'nonsense', 'unknown type'] as const;
  const tries = new Map<string, number>();
  const fault = ({ watch, path }: Asked): Fault | undefined => {
    const times = tries.get(path) ?? 0;
    tries.set(path, times + 1);
    return watch && times < kinds.length ? { watch: kinds[times]! } : undefined;
  };
  for (const proxy of await add('controllers-a', 'scheduler-a')) proxy.fault = fault;
  await makeWork('frames');
  await eventually('the work', () => settled('frames'));
});

const forAll: readonly Fault[] = [
  { delayMs: 700 },
  { code: 429, reason: 'TooManyRequests', retryAfter: 1 },
  { code: 500, reason: 'InternalError' },
  { code: 503, reason: 'ServiceUnavailable' },
  { code: 504, reason: 'Timeout' },
  { cut: true },
];
const forWrites: readonly Fault[] = [{ code: 409, reason: 'Conflict' }, { loseAnswer: true }];
const forWatches: readonly Fault[] = (['gone', 'gone frame', 'ended', 'short', 'repeat'] as const).map(watch => ({
  watch,
}));

test('what was meant comes to be among faults of every kind', async () => {
  const random = seededRandom(5);
  const fault = ({ watch, write, path }: Asked): Fault | undefined => {
    const faults = [...forAll, ...(write && !path.includes('/leases/') ? forWrites : []), ...(watch ? forWatches : [])];
    return random.next() < 0.2 ? faults[Math.floor(random.next() * faults.length)] : undefined;
  };
  for (const proxy of await add('controllers-a', 'controllers-b', 'scheduler-a')) proxy.fault = fault;
  await makeWork('storm');
  await eventually('the work', () => settled('storm'));
});

for (const [what, lose] of [
  [
    'is cut off from its server',
    (proxy: FaultyProxy) => {
      proxy.dark = true;
    },
  ],
  [
    'gets no answer any more',
    (proxy: FaultyProxy) => {
      proxy.fault = () => ({ hang: true });
    },
  ],
] as const)
  test(`a leader that ${what} makes room for another and ends`, async () => {
    const namespace = what.split(' ')[0]!;
    await add('scheduler-a', 'controllers-a');
    const leader = c.parts.get('controllers-a')!;
    const first = () => leader.part.said().includes('successfully acquired lease');
    await eventually('a leader', async () => first());
    const holder = await holderOf('kube-controller-manager');
    await add('controllers-b');
    await makeWork(namespace);
    lose(leader.proxy);
    await eventually('an end', async () => leader.restarts > 0);
    assert.match(leader.part.said(), /leadership is lost error="failed to renew lease/);
    await eventually('another leader', async () => (await holderOf('kube-controller-manager')) !== holder);
    await eventually('the work', () => settled(namespace));
  });
