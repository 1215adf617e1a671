import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { appsV1 } from '../../api/refs.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type { Patch } from '../../client/client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

let server: TestServer;

before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

for (const way of ['in process', 'HTTPS'] as const) {
  test(`patches the scale of a deployment ${way}`, async () => {
    const client = way === 'HTTPS' ? await server.http() : server.server.client({ userAgent: 'test' });
    const key = { namespace: 'default', name: way === 'HTTPS' ? 'a' : 'b' };
    const labels = { app: 'x' };
    await client.create(appsV1.deployments, {
      metadata: key,
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } },
      },
    });
    for (const [type, body] of [
      ['merge', { spec: { replicas: 5 } }],
      ['json', [{ op: 'replace', path: '/spec/replicas', value: 7 }]],
    ] as const) {
      const patched = await client.patch(appsV1.deployments, key, { type, body } as Patch, { subresource: 'scale' });
      const wanted = type === 'merge' ? 5 : 7;
      assert.equal(patched.kind, 'Scale');
      assert.equal((patched as unknown as Scale).spec?.replicas, wanted);
      assert.equal((await client.get(appsV1.deployments, key)).spec.replicas, wanted);
    }
  });
}
