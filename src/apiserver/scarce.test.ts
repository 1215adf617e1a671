// What there is only so much of, under requests at the same time: quota, node ports and service addresses, against sets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coreV1 } from '../api/refs.ts';
import { StatusError } from '../api/status.ts';
import type { Pod, Service } from '../api/type/core-v1.ts';
import type { Client } from '../client/client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store } from '../store/store.ts';
import { keptOpen } from '../store/test-kept-open.ts';
import { startTestServer } from './test-server.ts';

const isRefusal = (error: unknown): error is StatusError => error instanceof StatusError && error.code < 500;

/** A pod of so many milli-CPUs. */
const pod = (namespace: string, milli: number) => ({
  metadata: { namespace, generateName: 'p-' },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: `${milli}m` } } }] },
});

async function untilCounted(client: Client, namespace: string): Promise<void> {
  for (;;) {
    const { items } = await client.list(coreV1.resourcequotas, { namespace });
    if (items.every(q => q.status?.used)) return;
    await new Promise(resolve => setImmediate(resolve));
  }
}

test('pods at the same time never take more than the quota, and what fits alone is not refused', async t => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const client = server.server.client({ userAgent: 'test' });
  let namespaces = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 14 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 10 }),
      async (asked, cpu, pods) => {
        const namespace = `quota-${namespaces++}`;
        await client.create(coreV1.namespaces, { metadata: { name: namespace } });
        await client.create(coreV1.serviceaccounts, { metadata: { namespace, name: 'default' } });
        const hard = { 'requests.cpu': `${cpu}m`, pods: String(pods) };
        const quota = await client.create(coreV1.resourcequotas, {
          metadata: { namespace, name: 'q' },
          spec: { hard },
        });
        // What the controller would find.
        const status = { hard, used: { 'requests.cpu': '0', pods: '0' } };
        await client.updateStatus(coreV1.resourcequotas, { ...quota, status } as never);
        await untilCounted(client, namespace);
        const outcomes = await Promise.allSettled(
          asked.map(milli => client.create(coreV1.pods, pod(namespace, milli))),
        );
        for (const o of outcomes) if (o.status === 'rejected') assert.ok(isRefusal(o.reason), String(o.reason));
        const taken = asked.filter((_, i) => outcomes[i]!.status === 'fulfilled');
        const sum = taken.reduce((a, b) => a + b, 0);
        assert.ok(sum <= cpu && taken.length <= pods, `${sum}m of ${cpu}m, ${taken.length} pods of ${pods}`);
        // The last one refused would not have fitted when all are in.
        for (const [i, o] of outcomes.entries())
          if (o.status === 'rejected')
            assert.ok(sum + asked[i]! > cpu || taken.length === pods, `${asked[i]}m was refused`);
        const { status: now } = await client.get(coreV1.resourcequotas, { namespace, name: 'q' });
        assert.deepEqual(now?.used, { pods: String(taken.length), 'requests.cpu': sum === 0 ? '0' : `${sum}m` });
        const { items } = await client.list<Pod>(coreV1.pods, { namespace });
        assert.equal(items.length, taken.length);
      },
    ),
    { numRuns: 20 },
  );
});

const [firstPort, lastPort] = [30_000, 30_011];
const step = fc.record({
  // Several at once; some by number, some gone again.
  makes: fc.array(fc.option(fc.integer({ min: firstPort, max: lastPort }), { nil: undefined }), { maxLength: 8 }),
  removes: fc.array(fc.nat(), { maxLength: 6 }),
  restart: fc.boolean(),
});

test('service addresses and node ports: none twice, none lost, also after a restart', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), allocates), { numRuns: 4 });
});

async function allocates(steps: readonly { makes: (number | undefined)[]; removes: number[]; restart: boolean }[]) {
  const start = (store: Store) =>
    startTestServer({ store, serviceCidrs: ['10.96.0.0/27'], nodePortRange: [firstPort, lastPort] });
  const store = memoryStore();
  const kept = keptOpen(store);
  let server = await start(kept);
  let names = 0;
  try {
    for (const { makes, removes, restart } of steps) {
      let client = server.server.client({ userAgent: 'test' });
      const services = async () => (await client.list<Service>(coreV1.services, { namespace: 'default' })).items;
      const before = (await services()).filter(s => s.spec?.type === 'NodePort');
      const gone = new Set(removes.map(n => before[n % (before.length || 1)]?.metadata.name));
      const jobs = [
        ...makes.map(nodePort =>
          client.create(coreV1.services, {
            metadata: { namespace: 'default', name: `s${names++}` },
            spec: { type: 'NodePort', ports: [{ port: 80, ...(nodePort ? { nodePort } : {}) }] },
          } as never),
        ),
        ...[...gone]
          .filter(name => name !== undefined)
          .map(name => client.delete(coreV1.services, { namespace: 'default', name })),
      ];
      for (const o of await Promise.allSettled(jobs))
        if (o.status === 'rejected')
          assert.ok(isRefusal(o.reason) || /range is full/.test(String(o.reason)), String(o.reason));
      if (restart) {
        await server.stop();
        server = await start(kept);
        client = server.server.client({ userAgent: 'test' });
      }
      const there = (await services()).filter(s => s.spec?.type === 'NodePort');
      const ports = there.map(s => s.spec!.ports![0]!.nodePort!);
      const addresses = there.map(s => s.spec!.clusterIP!);
      assert.equal(new Set(ports).size, there.length, `ports ${ports}`);
      assert.equal(new Set(addresses).size, there.length, `addresses ${addresses}`);
      assert.ok(ports.every(p => p >= firstPort && p <= lastPort));
      // None is lost: every free one can be had by number, none taken one.
      for (let nodePort = firstPort; nodePort <= lastPort; nodePort++) {
        const spec = { type: 'NodePort', ports: [{ port: 80, nodePort }] };
        const draft = { metadata: { namespace: 'default', name: 'probe' }, spec };
        const probe = await client.create(coreV1.services, draft as never).then(
          () => 'free',
          () => 'taken',
        );
        assert.equal(probe, ports.includes(nodePort) ? 'taken' : 'free', `port ${nodePort} of ${ports}`);
        if (probe === 'free') await client.delete(coreV1.services, { namespace: 'default', name: 'probe' });
      }
    }
  } finally {
    await server.stop();
    await store.close();
  }
}
