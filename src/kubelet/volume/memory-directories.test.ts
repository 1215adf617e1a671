import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryHost } from '../host/memory-host.ts';
import { MemoryDirectories } from './memory-directories.ts';

const dir = '/kubelet/pods/uid/volumes/kubernetes.io~secret/keys';

function setUp() {
  const host = new MemoryHost();
  let mounts = 0;
  const mountTmpfs = host.mountTmpfs.bind(host);
  host.mountTmpfs = async path => {
    mounts++;
    await mountTmpfs(path);
  };
  const options = { host, root: '/kubelet/memory', pods: '/kubelet/pods' };
  return { host, make: () => new MemoryDirectories(options), mounts: () => mounts };
}

test('lie in one file system, and a link leads there', async () => {
  const { host, make, mounts } = setUp();
  const memory = make();
  const real = await memory.make(dir);
  await memory.make('/kubelet/pods/uid/volumes/kubernetes.io~projected/token');
  await host.writeFile(`${real}/file`, 'secret');
  assert.equal(await host.readFile(`${dir}/file`), 'secret');
  assert.equal((await host.info(dir, { follow: false }))?.kind, 'symlink');
  assert.ok(real.startsWith('/kubelet/memory/') && (await host.isMountPoint('/kubelet/memory')));
  assert.equal(mounts(), 1);
  // A kubelet that starts again finds all of it.
  assert.equal(await make().make(dir), real);
  assert.equal(await host.readFile(`${dir}/file`), 'secret');
  assert.equal(mounts(), 1);
  await make().remove(dir);
  assert.deepEqual(await host.list('/kubelet/memory'), ['uid_volumes_kubernetes.io~projected_token']);
  assert.equal(await host.info(dir, { follow: false }), undefined);
});

test('what a machine has forgotten is made again behind its link', async () => {
  const { host, make } = setUp();
  const real = await make().make(dir);
  await host.remove('/kubelet/memory');
  assert.equal(await make().make(dir), real);
  await host.writeFile(`${real}/file`, 'again');
  assert.equal(await host.readFile(`${dir}/file`), 'again');
});

test('a directory with a mount of its own stays, one without makes room', async () => {
  const { host, make } = setUp();
  await host.makeDirectory(dir);
  await host.mountTmpfs(dir);
  assert.equal(await make().make(dir), dir);
  await make().remove(dir);
  await host.makeDirectory(dir);
  assert.notEqual(await make().make(dir), dir);
  assert.equal((await host.info(dir, { follow: false }))?.kind, 'symlink');
});
