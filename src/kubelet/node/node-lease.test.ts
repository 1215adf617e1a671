import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, coreV1 } from '../../api/refs.ts';
import { tooManyRequests } from '../../api/status.ts';
import { VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { fakeClient } from '../../client/fake-client.ts';
import { NodeLease } from './node-lease.ts';

const key = { namespace: 'kube-node-lease', name: 'node-a' };

async function bench() {
  const clock = new VirtualClock();
  const client = fakeClient([], { clock, random: seededRandom(1) });
  await client.create(coreV1.nodes, { metadata: { name: 'node-a' } } as never);
  let unanswered = 0;
  const onUnanswered = () => {
    unanswered++;
  };
  const common = { client, clock, log: silentLog, onUnanswered };
  const lease = new NodeLease({ ...common, nodeName: 'node-a', durationSeconds: 40 });
  const stop = new AbortController();
  const running = lease.run(stop.signal);
  await clock.advance(1_000);
  const stopAll = async () => {
    stop.abort();
    await clock.advance(0);
    await running;
  };
  return { clock, client, unanswered: () => unanswered, stopAll };
}

test('a lease that somebody deleted comes back, with its owner', async () => {
  const { clock, client, stopAll } = await bench();
  await client.delete(coordinationV1.leases, key);
  await clock.advance(12_000);
  const lease = await client.get(coordinationV1.leases, key);
  assert.equal(lease.metadata.ownerReferences?.[0]?.name, 'node-a');
  await stopAll();
});

test('a renewal whose answer was lost is made up for at once', async () => {
  const { clock, client, stopAll } = await bench();
  const before = (await client.get(coordinationV1.leases, key)).metadata.resourceVersion;
  let lost = false;
  const writing = client.react(a => {
    if (a.verb !== 'update' || lost) return;
    lost = true;
    return client
      .get(coordinationV1.leases, key)
      .then(l => client.update(coordinationV1.leases, { ...l, spec: { ...l.spec, leaseTransitions: 1 } } as never))
      .then(() => new Error('connection closed'));
  });
  await clock.advance(11_000);
  writing();
  assert.ok(lost);
  assert.ok(Number((await client.get(coordinationV1.leases, key)).metadata.resourceVersion) > Number(before) + 1);
  await stopAll();
});

test('when nobody answers twice, connections are made anew; a server that refuses is one that answers', async () => {
  const { clock, client, unanswered, stopAll } = await bench();
  const cut = client.react(a => {
    if (a.verb !== 'update') return;
    return clock.sleep(10_000).then(() => new Error('timed out after 10000 ms'));
  });
  // One renewal is due ten seconds after the last, and both of its attempts take ten: before the lease is over.
  await clock.advance(29_000);
  assert.equal(unanswered(), 0);
  await clock.advance(1_500);
  assert.equal(unanswered(), 1);
  cut();
  await clock.advance(20_000);
  const before = unanswered();
  const refused = tooManyRequests('later', 1);
  client.failNext('update', coordinationV1.leases, refused, { times: 3 });
  await clock.advance(20_000);
  assert.equal(unanswered(), before);
  await stopAll();
});
