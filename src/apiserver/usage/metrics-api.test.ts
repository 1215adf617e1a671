import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { KubeObject } from '../../api/meta.ts';
import { ref } from '../../api/ref.ts';
import { apiregistrationV1, coreV1 } from '../../api/refs.ts';
import { isForbidden, isNotFound } from '../../api/status.ts';
import type { PodMetrics } from '../../api/type/metrics-v1beta1.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { startTestServer } from '../test-server.ts';

const podMetrics = ref<PodMetrics & KubeObject>('metrics.k8s.io', 'v1beta1', 'pods', 'PodMetrics', true);

async function until<T>(find: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    await new Promise(resolve => setImmediate(resolve));
  }
}

test("usage is read from a Ready node's kubelet", { timeout: 20_000 }, async () => {
  const clock = new VirtualClock();
  let seconds = 100;
  let asked = 0;
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'kubelets', ...making });
  const { certificatePem: cert, keyPem: key } = await issueCertificate(ca, {
    subject: { commonName: 'kubelet' },
    ipAddresses: ['127.0.0.1'],
    usages: 'both',
    ...making,
  });
  const tls = { cert, key };
  const kubelet = createServer(tls, (request, response) => {
    asked++;
    assert.equal(request.url, '/metrics/resource');
    const labels = '{container="c",namespace="default",pod="web"}';
    const at = clock.now();
    response.end(
      `container_cpu_usage_seconds_total${labels} ${seconds} ${at}\ncontainer_memory_working_set_bytes${labels} 1048576 ${at}\n`,
    );
  });
  await new Promise<void>(resolve => kubelet.listen(0, '127.0.0.1', resolve));
  const { port } = kubelet.address() as AddressInfo;
  const server = await startTestServer({ clock, kubelet: { ca: ca.certificatePem, ...tls } });
  try {
    const { client: clientOf } = server.server;
    const client = clientOf({ userAgent: 'test' });
    const node = {
      metadata: { name: 'n' },
      status: {
        addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        daemonEndpoints: { kubeletEndpoint: { Port: port } },
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    };
    await client.create(coreV1.nodes, node as never);
    await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'default' } });
    const made = await client.create(coreV1.pods, {
      metadata: { name: 'web', namespace: 'default' },
      spec: { nodeName: 'n', containers: [{ name: 'c', image: 'x' }] },
    } as never);
    await client.updateStatus(coreV1.pods, { ...made, status: { phase: 'Running' } } as never);
    await clock.advance(15_000);
    await until(async () => (asked === 1 ? true : undefined));
    assert.deepEqual((await client.list(podMetrics)).items, [], 'one reading is no rate');
    await assert.rejects(client.get(podMetrics, { namespace: 'default', name: 'web' }), {
      code: 404,
      message: 'podmetrics.metrics.k8s.io "default/web" not found',
    });
    await until(async () => {
      seconds += 7.5;
      await clock.advance(15_000);
      return asked > 1 ? true : undefined;
    });
    const found = await until(async () => (await client.list(podMetrics)).items[0]);
    assert.deepEqual(found.containers[0]?.usage.memory, '1Mi');
    await assert.rejects(clientOf({ userAgent: 't', user: 'nobody' }).list(podMetrics), isForbidden);
    await assert.rejects(client.get(podMetrics, { namespace: 'default', name: 'no' }), {
      code: 404,
      message: 'pods "no" not found',
    });
  } finally {
    await Promise.race([server.stop(), clock.advance(60_000)]);
    kubelet.closeAllConnections();
    kubelet.close();
  }
});

test('an APIService that names a service takes the API over, until it goes', { timeout: 20_000 }, async () => {
  const { server, stop } = await startTestServer();
  try {
    const client = server.client({ userAgent: 'test' });
    const name = 'v1beta1.metrics.k8s.io';
    const local = await until(async () =>
      client.get(apiregistrationV1.apiservices, { name }).catch(error => {
        if (!isNotFound(error)) throw error;
        return undefined;
      }),
    );
    assert.equal(local.spec.service, undefined);
    assert.deepEqual((await client.list(podMetrics)).items, []);
    await until(async () => {
      const now = await client.get(apiregistrationV1.apiservices, { name });
      return now.status?.conditions?.length ? now : undefined;
    });
    await client.patch(
      apiregistrationV1.apiservices,
      { name },
      {
        type: 'merge',
        body: { spec: { service: { namespace: 'kube-system', name: 'metrics-server' }, insecureSkipTLSVerify: true } },
      },
    );
    const gone = await until(async () =>
      client.list(podMetrics).then(
        () => undefined,
        error => error as Error,
      ),
    );
    assert.equal(gone.message, 'the server is currently unable to handle the request');
    const raw = client.raw('/apis/metrics.k8s.io/v1beta1/pods');
    await assert.rejects(raw, { message: 'the server is currently unable to handle the request' });
    await client.delete(apiregistrationV1.apiservices, { name });
    await until(async () =>
      client.list(podMetrics).then(
        list => list,
        () => undefined,
      ),
    );
  } finally {
    await stop();
  }
});
