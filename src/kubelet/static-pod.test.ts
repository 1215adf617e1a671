import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestNode } from './test-node.ts';

const manifestOf = (image: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web' },
    spec: { containers: [{ name: 'app', image }] },
  });

test('of two manifests of one name the second is told and left alone', async () => {
  const t = await startTestNode({ staticPodPath: '/manifests' });
  try {
    await t.host.makeDirectory('/manifests');
    await t.host.writeFile('/manifests/a.json', manifestOf('example.com/a:1'));
    await t.host.writeFile('/manifests/b.json', manifestOf('example.com/b:1'));
    await t.pass(30_000);
    const { containers = [] } = await t.runtime.ListContainers({});
    assert.deepEqual(
      containers.map(c => c.image?.user_specified_image),
      ['example.com/a:1'],
    );
    const said = (await t.events('web-node-a')).filter(e => e.startsWith('FailedValidation'));
    assert.equal(said.length, 1);
    assert.match(
      said[0]!,
      /^FailedValidation: Error validating pod web-node-a_default\([0-9a-f]{32}\) from file due to duplicate pod name "web-node-a", ignoring$/,
    );
    await t.host.remove('/manifests/a.json');
    await t.pass(60_000);
    const running = (await t.runtime.ListContainers({ filter: { state: { state: 'CONTAINER_RUNNING' } } })).containers;
    assert.deepEqual(
      running?.map(c => c.image?.user_specified_image),
      ['example.com/b:1'],
    );
  } finally {
    await t.stop();
  }
});

test('a manifest that has changed is run when nothing is left of the pod it was', async () => {
  const t = await startTestNode({
    staticPodPath: '/manifests',
    simulate: { behaviour: () => ({ stopDelayMs: 25_000 }) },
  });
  try {
    const running = async () => {
      const filter = { state: { state: 'CONTAINER_RUNNING' as const } };
      const { containers = [] } = await t.runtime.ListContainers({ filter });
      return containers.map(c => c.image?.user_specified_image);
    };
    const phase = async () => (await t.getPod('web-node-a')).status?.phase;
    await t.host.makeDirectory('/manifests');
    await t.host.writeFile('/manifests/web.json', manifestOf('example.com/web:1'));
    await t.pass(30_000);
    assert.deepEqual([await running(), await phase()], [['example.com/web:1'], 'Running']);
    await t.host.writeFile('/manifests/web.json', manifestOf('example.com/web:2'));
    await t.pass(22_000);
    assert.deepEqual([await running(), await phase()], [['example.com/web:1'], 'Pending']);
    await t.pass(25_000);
    assert.deepEqual([await running(), await phase()], [['example.com/web:2'], 'Running']);
  } finally {
    await t.stop();
  }
});

test('a directory that cannot be read leaves what it said last', async () => {
  const t = await startTestNode({ staticPodPath: '/manifests' });
  try {
    await t.host.makeDirectory('/manifests');
    await t.host.writeFile('/manifests/a.json', manifestOf('example.com/a:1'));
    await t.pass(40_000);
    const own = t.host.list.bind(t.host);
    t.host.list = async path => (path === '/manifests' ? Promise.reject(new Error('EIO: i/o error')) : own(path));
    // Told by the directory itself, then by looking again.
    await t.host.writeFile('/manifests/b.json', manifestOf('example.com/b:1'));
    await t.pass(40_000);
    const { containers = [] } = await t.runtime.ListContainers({ filter: { state: { state: 'CONTAINER_RUNNING' } } });
    assert.deepEqual(
      containers.map(c => c.image?.user_specified_image),
      ['example.com/a:1'],
    );
  } finally {
    await t.stop();
  }
});
