import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestNode } from './test-node.ts';

const pod = (name: string, image: string) => ({
  metadata: { name, namespace: 'web' },
  spec: { containers: [{ name: 'app', image }] },
});

test('pods of a URL run while it names them, and as long as it cannot be read', async () => {
  let answer = () => new Response('', { status: 503 });
  const asked: (string | null)[] = [];
  const t = await startTestNode({
    staticPodPath: '/manifests',
    staticPodUrl: {
      url: 'http://pods.example/list',
      headers: { 'X-Cluster': ['a', 'b'] },
      everyMs: 5000,
      fetch: async (_url, init) => {
        asked.push(new Headers(init?.headers).get('x-cluster'));
        return answer();
      },
    },
  });
  const running = async () => {
    const { containers = [] } = await t.runtime.ListContainers({ filter: { state: { state: 'CONTAINER_RUNNING' } } });
    return containers.map(c => c.image?.user_specified_image).sort();
  };
  const serve = async (body: object | string) => {
    answer = () => new Response(typeof body === 'string' ? body : JSON.stringify(body));
    await t.pass(40_000);
  };
  try {
    await t.host.makeDirectory('/manifests');
    const own = { apiVersion: 'v1', kind: 'Pod', ...pod('same', 'example.com/file:1') };
    await t.host.writeFile('/manifests/a.json', JSON.stringify(own));
    await t.pass(40_000);
    assert.deepEqual(await running(), ['example.com/file:1'], 'a URL that is away holds up no others');
    assert.ok(asked.length >= 8 && asked.every(value => value === 'a, b'));

    const list = (...items: object[]) => ({ apiVersion: 'v1', kind: 'PodList', items });
    await serve(list(pod('one', 'example.com/one:1'), pod('same', 'example.com/other:1')));
    assert.deepEqual(await running(), ['example.com/file:1', 'example.com/one:1']);
    const mirror = t.client.objects({ group: '', version: 'v1', resource: 'pods' } as never, 'web')[0];
    assert.equal(mirror?.metadata?.annotations?.['kubernetes.io/config.source'], 'http');
    const said = (await t.events('same-node-a')).filter(e => e.startsWith('FailedValidation'));
    assert.match(said[0] ?? '', /from http due to duplicate pod name "same-node-a", ignoring$/);

    answer = () => {
      throw new TypeError('fetch failed');
    };
    await t.pass(40_000);
    for (const none of ['no manifest: [', ' \n', '---\n# nothing yet\n', 'null']) {
      await serve(none);
      assert.deepEqual(await running(), ['example.com/file:1', 'example.com/one:1'], 'what it said last holds');
    }
    await serve({ apiVersion: 'v1', kind: 'Pod', ...pod('two', 'example.com/two:1') });
    assert.deepEqual(await running(), ['example.com/file:1', 'example.com/two:1']);
    await serve('');
    assert.deepEqual(await running(), ['example.com/file:1']);
    await serve({ apiVersion: 'v1', kind: 'Pod', ...pod('two', 'example.com/two:1') });
    await serve(list());
    assert.deepEqual(await running(), ['example.com/file:1']);
  } finally {
    await t.stop();
  }
});
