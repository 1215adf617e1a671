import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod, Volume } from '../../api/type/core-v1.ts';
import { MemoryHost } from '../host/memory-host.ts';
import { emptyDirPlugin } from './local-volumes.ts';

const mi = 2 ** 20;
const podOf = (...limits: object[]) =>
  ({
    metadata: { name: 'p', namespace: 'ns', uid: 'u' },
    spec: { containers: limits.map((list, i) => ({ name: `c${i}`, resources: { limits: list } })) },
  }) as unknown as Pod;

test('an emptyDir of huge pages has those that the pod asks for', async () => {
  const host = new MemoryHost();
  const mounts: string[] = [];
  const mount = host.mountHugePages.bind(host);
  host.mountHugePages = (path, pageBytes) => {
    mounts.push(`${path} ${pageBytes / mi}Mi`);
    return mount(path, pageBytes);
  };
  const plugin = emptyDirPlugin(host, 2 ** 33);
  const setUp = (pod: Pod, medium: string, dir: string) =>
    plugin.setUp(pod, { name: 'v', emptyDir: { medium } } as Volume, dir);
  const one = podOf({ 'hugepages-2Mi': '4Mi' }, { cpu: '1' });
  const two = podOf({ 'hugepages-2Mi': '4Mi' }, { 'hugepages-1Gi': '1Gi' });
  assert.equal((await setUp(one, 'HugePages', '/a')).path, '/a');
  await setUp(one, 'HugePages', '/a');
  await setUp(two, 'HugePages-1Gi', '/b');
  assert.deepEqual(mounts, ['/a 2Mi', '/b 1024Mi']);
  await assert.rejects(setUp(two, 'HugePages', '/c'), /of one size, not of 2$/);
  await assert.rejects(setUp(podOf({ cpu: '1' }), 'HugePages', '/c'), /of one size, not of 0$/);
  await assert.rejects(setUp(one, 'HugePages-1Gi', '/c'), /asks for huge pages of that size$/);
  await plugin.tearDown!('/a');
  assert.equal(await host.info('/a'), undefined);
});
