// Images of archives: `k8ts image load` brings them onto nodes, `k8ts image ls` tells of them, pods run from them.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { mainScript } from '../../bin/entry.js';
import { findProgram } from '../../src/cri/command.ts';
import { hostArchitecture, ociArchive } from '../../src/cri/oci-image.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { eventually } from '../lab.ts';

interface Listed {
  readonly node: string;
  readonly tags: readonly string[];
  readonly id: string;
  readonly sizeBytes: number;
}

export function imageTests(c: () => ClusterAccess): void {
  const archive = (reference: string, word: string): Buffer => {
    const files = [
      { name: 'bin/' },
      { name: 'bin/busybox', content: readFileSync(findProgram('busybox') ?? '/bin/busybox'), mode: 0o755 },
      { name: 'bin/echo', link: 'busybox' },
    ];
    const config = { Entrypoint: ['echo', word], Env: ['PATH=/bin'] };
    return ociArchive({ reference, architecture: hostArchitecture(), files, config });
  };
  const write = (name: string, content: Buffer | string): string => {
    const file = join(c().lab.home, name);
    writeFileSync(file, content);
    return file;
  };
  const listed = async (): Promise<Listed[]> => JSON.parse(await c().lab.k8ts('image', 'ls', '-o', 'json'));
  const nodesWith = async (tag: string) => (await listed()).filter(i => i.tags.includes(tag)).map(i => i.node);

  test('load onto one node and onto all, plain and compressed; ls; pods that run from them', async () => {
    const plain = write('plain.tar', archive('k8ts.test/loaded:1', 'plain'));
    // A name without a registry is one of Docker's, as everywhere.
    const packed = write('packed.tar.gz', gzipSync(archive('loaded:2', 'packed')));
    const [first, second] = ['k8ts.test/loaded:1', 'docker.io/library/loaded:2'];
    await c().lab.k8ts('image', 'load', plain, packed, '--node', 'node-2');
    const one = await eventually('both on node-2 alone', async () => {
      const all = await listed();
      const [a, b] = [first, second].map(tag => all.filter(i => i.tags.includes(tag!)));
      return [a, b].every(found => found!.map(i => i.node).join() === 'node-2') && a![0];
    });
    assert.match(one.id, /^sha256:[0-9a-f]{64}$/);
    assert.ok(one.sizeBytes > 100_000, String(one.sizeBytes));
    const [header, ...rows] = (await c().lab.k8ts('image', 'ls')).trimEnd().split('\n');
    assert.match(header!, /^NODE +IMAGE +ID +SIZE$/);
    assert.ok(rows.some(row => /^node-2 +k8ts\.test\/loaded:1 +[0-9a-f]{12} +\d+\.\d MiB$/.test(row)));

    const run = (name: string, nodeName: string, image: string) =>
      c().pod(name, { nodeName, containers: [{ name: 'main', image, imagePullPolicy: 'Never' }] });
    await Promise.all([
      run('loaded-1', 'node-2', first!),
      run('loaded-2', 'node-2', 'loaded:2'),
      run('loaded-nowhere', 'node-1', 'loaded:2'),
    ]);
    await c().ended('loaded-1');
    await c().ended('loaded-2');
    assert.deepEqual([await c().log('loaded-1'), await c().log('loaded-2')], ['plain\n', 'packed\n']);
    const waiting = (p: any) => p.status?.containerStatuses?.[0]?.state?.waiting?.reason;
    await c().when('loaded-nowhere', 'without an image', p => waiting(p) === 'ErrImageNeverPull');
    await c().lab.k8ts('image', 'load', packed);
    assert.deepEqual((await nodesWith(second!)).sort(), ['node-1', 'node-2']);
    await run('loaded-there', 'node-1', 'loaded:2');
    await c().ended('loaded-there');
    assert.equal(await c().log('loaded-there'), 'packed\n');
  });

  test('load: what is no archive, no file, no node', async () => {
    const load = async (...args: string[]) => {
      const main = mainScript();
      const { code, stderr } = await c().lab.run(process.execPath, [
        main,
        'image',
        'load',
        ...args,
        '--name',
        c().lab.name,
      ]);
      return { code, stderr };
    };
    const text = await load(write('text.tar', 'this is no archive\n'.repeat(100)));
    assert.equal(text.code, 1, text.stderr);
    assert.match(text.stderr, /text\.tar/);
    const absent = await load(join(c().lab.home, 'absent.tar'));
    assert.deepEqual([absent.code, /absent\.tar: no such file/.test(absent.stderr)], [2, true]);
    const nowhere = await load(write('some.tar', archive('k8ts.test/some:1', 'some')), '--node', 'node-9');
    assert.deepEqual([nowhere.code, /has no node "node-9"/.test(nowhere.stderr)], [3, true], nowhere.stderr);
    assert.deepEqual(await nodesWith('k8ts.test/some:1'), []);
  });
}
