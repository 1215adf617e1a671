import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Pod, Volume } from '../../api/type/core-v1.ts';
import type { FileInfo, FileKind } from '../host/host.ts';
import { linuxHost } from '../host/linux-host.ts';
import { MemoryHost } from '../host/memory-host.ts';
import type { KubeletRoot } from '../plugin/kubelet-root.ts';
import { emptyDirPlugin, hostPathPlugin } from './local-volumes.ts';

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

test('a hostPath of each type is for what it names, and made where it says so', async () => {
  const host = new MemoryHost();
  const kinds: Record<string, FileKind> = { '/socket': 'socket', '/block': 'block', '/char': 'char', '/fifo': 'fifo' };
  const info = host.info.bind(host);
  host.info = async path => (kinds[path] ? ({ kind: kinds[path] } as FileInfo) : info(path));
  await host.makeDirectory('/directory');
  await host.writeFile('/file', '');
  const plugin = hostPathPlugin(host, { toHost: path => path } as KubeletRoot);
  const setUp = async (path: string, type?: string) => {
    const hostPath = { path, ...(type === undefined ? {} : { type }) };
    try {
      const { path: given } = await plugin.setUp(podOf({}), { name: 'v', hostPath } as Volume, '/unused');
      return given === path ? 'given' : given;
    } catch (error) {
      return (error as Error).message;
    }
  };
  const types = {
    Directory: ['/directory', 'directory'],
    File: ['/file', 'file'],
    Socket: ['/socket', 'socket file'],
    CharDevice: ['/char', 'character device'],
    BlockDevice: ['/block', 'block device'],
  } as const;
  const there = ['/directory', '/file', ...Object.keys(kinds)];
  for (const [type, [fits, name]] of Object.entries(types))
    for (const path of [...there, '/absent']) {
      const refusal = `hostPath type check failed: ${path} is not a ${name}`;
      assert.equal(await setUp(path, type), path === fits ? 'given' : refusal, `${path} as ${type}`);
    }
  for (const path of [...there, '/absent'])
    for (const type of [undefined, '']) assert.equal(await setUp(path, type), 'given', `${path} as anything`);
  assert.equal(await host.info('/absent'), undefined, 'nothing is made unasked');
  assert.equal(await setUp('/made/deep', 'DirectoryOrCreate'), 'given');
  assert.equal(await setUp('/new', 'FileOrCreate'), 'given');
  const made = async (path: string) => {
    const { kind, mode } = (await host.info(path))!;
    return `${kind} ${mode.toString(8)}`;
  };
  assert.deepEqual([await made('/made/deep'), await made('/new')], ['directory 755', 'file 644']);
  assert.equal(await setUp('/file', 'DirectoryOrCreate'), 'hostPath type check failed: /file is not a directory');
  assert.equal(await setUp('/directory', 'FileOrCreate'), 'hostPath type check failed: /directory is not a file');
  assert.equal(await setUp('/file', 'Pipe'), 'Pipe is an invalid volume type');
});

test('sockets and devices of this machine are known for what they are', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-kinds-'));
  const server = createServer();
  t.after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  const socket = join(directory, 's');
  await once(server.listen(socket), 'listening');
  const host = linuxHost();
  const kind = async (path: string) => (await host.info(path))?.kind;
  assert.deepEqual(
    [await kind(socket), await kind('/dev/null'), await kind(directory)],
    ['socket', 'char', 'directory'],
  );
});
