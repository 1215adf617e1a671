// Controllers and scheduler as programs of their own, behind proxies that do the worst a network or a server can.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { Asked, Fault, FaultyProxy } from './faulty-proxy.ts';
import { type PartsCluster, partsCluster } from './parts-cluster.ts';
import { eventually, makeWork, settled } from './work.ts';

let c: PartsCluster;
before(async () => {
  // As an older one.
  c = await partsCluster({ runtimeConfig: { 'resource.k8s.io/v1': false } });
});
afterEach(() => c?.clear());
after(() => c?.stop());

const add = (...names: string[]): Promise<FaultyProxy[]> => Promise.all(names.map(name => c.add(name)));

async function work(namespace: string): Promise<void> {
  await makeWork(c, namespace);
  await eventually(c, 'the work', () => settled(c, namespace));
}

test('without a kind that the server does not serve', async () => {
  await add('controllers-a', 'scheduler-a');
  await work('unserved');
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
  await work('frames');
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
  await work('storm');
});
