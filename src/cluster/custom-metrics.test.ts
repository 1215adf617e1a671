// Custom and external metrics come from servers behind the API server, asked by the autoscaler under its own name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiregistrationV1, coreV1, discoveryV1 } from '../api/refs.ts';
import { startTestExtension } from '../apiserver/extension/test-extension.ts';
import { startTestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { MetricsSource } from '../controllers/podautoscaler/metrics-source.ts';

test('an adapter is asked through aggregation for metrics of pods, objects and the world outside', async () => {
  const asked: string[] = [];
  const adapter = await startTestExtension(
    (request, response) => {
      const url = request.url!;
      asked.push(`${request.headers['x-remote-user']} ${url}`);
      response.writeHead(200, { 'content-type': 'application/json' });
      const group = /^\/apis\/([a-z.]+)\/(v[0-9a-z]+)$/.exec(url);
      const value = (name: string, amount: string) => ({
        ...{ describedObject: { name }, timestamp: '2026-01-01T00:00:00Z', value: amount },
      });
      const items = url.includes('/pods/') ? [value('p0', '150'), value('p1', '2500m')] : [value('main', '10k')];
      response.end(
        JSON.stringify(
          group
            ? { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${group[1]}/${group[2]}`, resources: [] }
            : { kind: 'MetricValueList', apiVersion: 'custom.metrics.k8s.io/v1beta2', items },
        ),
      );
    },
    { dnsNames: ['adapter.default.svc'] },
  );
  const server = await startTestServer({
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: adapter.port } : at),
  });
  try {
    const client = server.server.client({ userAgent: 'test' });
    const source = new MetricsSource(
      server.server.client({ userAgent: 'test', serviceAccount: 'horizontal-pod-autoscaler' }),
    );
    await assert.rejects(source.pods('requests', 'a', 'app=x', ''), {
      message:
        'unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered',
    });
    await client.create(coreV1.services, {
      metadata: { name: 'adapter', namespace: 'default' },
      spec: { ports: [{ port: 443 }] },
    } as never);
    await client.create(discoveryV1.endpointslices, {
      metadata: { name: 'adapter-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'adapter' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 443, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
    } as never);
    for (const [group, version] of [
      ['custom.metrics.k8s.io', 'v1beta2'],
      ['external.metrics.k8s.io', 'v1beta1'],
    ] as const) {
      const name = `${version}.${group}`;
      const service = { namespace: 'default', name: 'adapter', port: 443 };
      const priorities = { groupPriorityMinimum: 100, versionPriority: 100 };
      const spec = { group, version, service, caBundle: adapter.caBundle, ...priorities };
      await client.create(apiregistrationV1.apiservices, { metadata: { name }, spec });
      const isAvailable = async () =>
        (await client.get(apiregistrationV1.apiservices, { name })).status?.conditions?.some(
          c => c.type === 'Available' && c.status === 'True',
        );
      while (!(await isAvailable())) await systemClock.sleep(20);
    }
    asked.length = 0;
    const pods = await source.pods('requests', 'a', 'app=x', 'path=/');
    assert.deepEqual(
      [...pods].map(([name, m]) => [name, m.milli]),
      [
        ['p0', 150_000],
        ['p1', 2500],
      ],
    );
    const ingress = { resource: 'ingresses.networking.k8s.io', name: 'main', namespace: 'a' };
    assert.equal(await source.object('hits', ingress, ''), 10_000_000);
    assert.deepEqual(await source.external('depth', 'a', 'queue=jobs'), [10_000_000]);
    const who = 'system:serviceaccount:kube-system:horizontal-pod-autoscaler';
    const custom = '/apis/custom.metrics.k8s.io/v1beta2/namespaces/a';
    // The aggregator looks after it in between.
    const ours = asked.filter(a => !/^system:(kube-)?aggregator /.test(a));
    assert.deepEqual(ours, [
      `${who} ${custom}/pods/*/requests?labelSelector=app%3Dx&metricLabelSelector=path%3D%2F`,
      `${who} ${custom}/ingresses.networking.k8s.io/main/hits`,
      `${who} /apis/external.metrics.k8s.io/v1beta1/namespaces/a/depth?labelSelector=queue%3Djobs`,
    ]);
  } finally {
    await server.stop();
    await adapter.stop();
  }
});
