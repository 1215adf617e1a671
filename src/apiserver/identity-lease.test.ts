import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { IdentityLease, serverIdentity } from './identity-lease.ts';
import { superuserOf } from './test-api.ts';
import type { Json } from './test-caller.ts';
import { startTestServer } from './test-server.ts';

const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases';
const own = serverIdentity('machine-1');
const labels = { 'apiserver.kubernetes.io/identity': 'kube-apiserver', 'kubernetes.io/hostname': 'machine-1' };
const micro = (ms: number) => new Date(ms).toISOString().replace('Z', '000Z');

test('a machine has one name as a server, for good', () => {
  assert.match(own, /^apiserver-[a-z2-7]{26}$/);
  // printf machine-1 | sha256sum | head -c 32 | xxd -r -p | base32
  assert.equal(own, 'apiserver-66tsm3pywqqhspkrxeswdfk5wi');
  assert.notEqual(serverIdentity('machine-2'), own);
});

test('a server has a lease that it renews, and takes away those of servers long gone', async () => {
  const clock = new VirtualClock(systemClock.now());
  const server = await startTestServer({ clock, hostname: 'machine-1' });
  const api = superuserOf(server);
  const watching = await api.watch(`${leases}?watch=true`);
  try {
    const { object: lease } = await watching.next(e => e.object.metadata.name === own);
    assert.deepEqual(lease.metadata.labels, labels);
    assert.match(lease.spec.holderIdentity, new RegExp(`^${own}_[0-9a-f-]{36}$`));
    assert.equal(lease.spec.leaseDurationSeconds, 3600);

    const made = async (name: string, renewedMs: number, identity: string) =>
      api.expect(201, 'POST', leases, {
        metadata: { name, labels: { 'apiserver.kubernetes.io/identity': identity } },
        spec: { holderIdentity: 'x', leaseDurationSeconds: 3600, renewTime: micro(renewedMs) },
      });
    await made('gone', clock.now() - 1000, 'kube-apiserver');
    await made('beside', clock.now() + 1_800_000, 'kube-apiserver');
    await made('of-others', clock.now() - 9_000_000, 'other');
    await clock.advance(10_000);
    const renewed = await watching.next(
      e => e.object.metadata.name === own && e.object.spec.renewTime !== lease.spec.renewTime,
    );
    assert.equal(renewed.object.spec.holderIdentity, lease.spec.holderIdentity);
    await clock.advance(3_590_000);
    while ((await api.send('GET', `${leases}/gone`)).code !== 404) await clock.advance(10_000);
    const { items } = await api.expect(200, 'GET', leases);
    assert.deepEqual(
      items.map((l: Json) => l.metadata.name),
      [own, 'beside', 'of-others'],
    );
  } finally {
    watching.stop();
    api.close();
    await server.stop();
  }
});

test('after a start anew the lease keeps its holder; one that was deleted is made again', async () => {
  const server = await startTestServer();
  const api = superuserOf(server);
  try {
    await api.expect(201, 'POST', leases, {
      metadata: { name: own },
      spec: { holderIdentity: 'before', leaseDurationSeconds: 7, leaseTransitions: 3 },
    });
    const client = await server.http();
    const common = { clock: systemClock, random: systemRandom, log: silentLog };
    const lease = new IdentityLease({ client, ...common, hostname: 'machine-1' });
    await lease.renew();
    const { metadata, spec } = await api.expect(200, 'GET', `${leases}/${own}`);
    assert.deepEqual(metadata.labels, labels);
    assert.deepEqual([spec.holderIdentity, spec.leaseDurationSeconds, spec.leaseTransitions], ['before', 3600, 3]);
    await api.expect(200, 'DELETE', `${leases}/${own}`);
    await lease.renew();
    assert.match((await api.expect(200, 'GET', `${leases}/${own}`)).spec.holderIdentity, /^apiserver-/);
  } finally {
    api.close();
    await server.stop();
  }
});

test('switched off, a server has no lease', async () => {
  const server = await startTestServer({
    hostname: 'machine-1',
    featureGates: { APIServerIdentity: false, UnknownVersionInteroperabilityProxy: false },
  });
  const api = superuserOf(server);
  assert.deepEqual((await api.expect(200, 'GET', leases)).items, []);
  api.close();
  await server.stop();
});
