import assert from 'node:assert/strict';
import { it } from 'node:test';
import { networkingV1 } from '../../api/refs.ts';
import { internalError } from '../../api/status.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { isInRange } from './kernel/range.ts';
import { serviceCidrsController } from './service-cidrs.ts';

const range = (name: string, ...cidrs: string[]) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'ServiceCIDR',
  metadata: { name },
  spec: { cidrs },
  status: {},
});
const address = (ip: string) => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'IPAddress',
  metadata: { name: ip },
  spec: { parentRef: { resource: 'services', namespace: 'a', name: 's' } },
});

it('makes a range ready, keeps it while addresses need it, lets it go after a grace', async () => {
  await using bench = await controllerBench([serviceCidrsController()], {
    objects: [range('a', '10.1.0.0/24'), range('b', 'fd00::/112'), address('10.1.0.7'), address('fd00::1')],
  });
  const { client } = bench;
  await bench.settle();
  const a = () => client.object(networkingV1.servicecidrs, 'a');
  assert.deepEqual(a()!.metadata.finalizers, ['networking.k8s.io/service-cidr-finalizer']);
  assert.equal(a()!.status.conditions![0]!.message, 'Kubernetes Service CIDR is ready');
  await client.delete(networkingV1.servicecidrs, { name: 'a' });
  await bench.advance(60_000);
  const [ready] = a()!.status.conditions!;
  assert.deepEqual([ready!.status, ready!.reason], ['False', 'Terminating']);
  client.remove(networkingV1.ipaddresses, '10.1.0.7');
  await bench.settle();
  await bench.advance(11_000);
  assert.equal(a(), undefined);
});

it('tells when it cannot say that a range serves, and tries again', async () => {
  await using bench = await controllerBench([serviceCidrsController()], {
    objects: [range('a', '10.1.0.0/24')],
    prepare: client =>
      client.failNext('patch', networkingV1.servicecidrs, internalError('no'), { subresource: 'status' }),
  });
  await bench.settle();
  await bench.advance(1000);
  assert.deepEqual(bench.events(), [
    'Warning KubernetesServiceCIDRError: The ServiceCIDR Status can not be set to Ready=True',
  ]);
  assert.equal(bench.client.object(networkingV1.servicecidrs, 'a')!.status.conditions![0]!.status, 'True');
});

it('lets a range go whose addresses another range holds', async () => {
  await using bench = await controllerBench([serviceCidrsController()], {
    objects: [range('a', '10.1.0.0/24'), address('10.1.0.7')],
  });
  const { client } = bench;
  await bench.settle();
  await client.delete(networkingV1.servicecidrs, { name: 'a' });
  await bench.advance(60_000);
  assert.ok(client.object(networkingV1.servicecidrs, 'a'));
  client.set(networkingV1.servicecidrs, range('wide', '10.1.0.0/16'));
  await bench.settle();
  await bench.advance(11_000);
  assert.equal(client.object(networkingV1.servicecidrs, 'a'), undefined);
});

it('knows which addresses lie in a range', () => {
  assert.equal(isInRange('10.1.0.255', '10.1.0.0/24'), true);
  assert.equal(isInRange('10.1.1.0', '10.1.0.0/24'), false);
  assert.equal(isInRange('fd00::ffff', 'fd00::/112'), true);
  assert.equal(isInRange('10.1.0.1', 'fd00::/112'), false);
});
