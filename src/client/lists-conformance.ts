// How clients list, and the errors they report.
import assert from 'node:assert/strict';
import { appsV1, coreV1 } from '../api/refs.ts';
import { isInvalid, isNotFound } from '../api/status.ts';
import type { ClientCheck } from './test-client.ts';

const { configmaps } = coreV1;
const { deployments } = appsV1;

export function lists(check: ClientCheck): void {
  check('reports errors as StatusError', async ({ client, namespace }) => {
    await assert.rejects(client.get(configmaps, { namespace, name: 'no' }), (e: unknown) => {
      assert.ok(isNotFound(e));
      assert.equal(e.message, 'configmaps "no" not found');
      assert.deepEqual(e.status.details, { name: 'no', kind: 'configmaps' });
      return true;
    });
    await assert.rejects(client.create(configmaps, { metadata: { namespace } }), isInvalid);
    await assert.rejects(client.delete(deployments, { namespace, name: 'no' }), (e: unknown) => {
      assert.ok(isNotFound(e));
      assert.equal(e.message, 'deployments.apps "no" not found');
      return true;
    });
  });

  check('lists by namespace, labels and fields', async ({ client, configMap, namespace, namespaceFor }) => {
    const other = await namespaceFor();
    await configMap(namespace, 'a', { labels: { app: 'x', tier: 'front' } });
    await configMap(namespace, 'b', { labels: { app: 'y' } });
    await configMap(namespace, 'c');
    await configMap(other, 'a');
    const names = async (options: object) => {
      const list = await client.list(configmaps, { namespace, ...options });
      assert.match(list.metadata.resourceVersion ?? '', /^[1-9]\d*$/);
      return list.items.map(i => i.metadata.name).filter(n => n !== 'kube-root-ca.crt');
    };
    assert.deepEqual(await names({}), ['a', 'b', 'c']);
    assert.deepEqual(await names({ labelSelector: 'app=x' }), ['a']);
    assert.deepEqual(await names({ labelSelector: 'app' }), ['a', 'b']);
    assert.deepEqual(await names({ labelSelector: '!app' }), ['c']);
    assert.deepEqual(await names({ labelSelector: 'app in (x, y),tier!=front' }), ['b']);
    assert.deepEqual(await names({ labelSelector: 'app notin (x)' }), ['b', 'c']);
    assert.deepEqual(await names({ fieldSelector: 'metadata.name=b' }), ['b']);
    const everywhere = await client.list(configmaps, { fieldSelector: 'metadata.name=a' });
    const found = everywhere.items.map(i => i.metadata.namespace).filter(n => n === namespace || n === other);
    assert.deepEqual(found, [namespace, other].sort());
    for (const item of everywhere.items) assert.equal(item.kind, 'ConfigMap');
  });

  check('lists in pages', async ({ client, configMap, namespace }) => {
    for (const n of ['a', 'b', 'c', 'd', 'e']) await configMap(namespace, n, { labels: { page: 'yes' } });
    const seen: string[] = [];
    const versions = new Set<string | undefined>();
    let token: string | undefined;
    let pages = 0;
    do {
      const options = { namespace, labelSelector: 'page=yes', limit: 2, ...(token ? { continue: token } : {}) };
      const page = await client.list(configmaps, options);
      assert.ok(page.items.length <= 2);
      seen.push(...page.items.map(i => i.metadata.name));
      versions.add(page.metadata.resourceVersion);
      token = page.metadata.continue || undefined;
      pages++;
    } while (token);
    assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e']);
    assert.equal(pages, 3);
    assert.equal(versions.size, 1);
  });
}
