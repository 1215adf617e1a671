import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { settle } from '../base/clock.ts';
import { archiveReferences, fullReference } from './image-archive.ts';
import { pauseImageArchive, pauseImageReference } from './pause-image.ts';
import { pauseProgram } from './pause-program.ts';
import { readFromTar } from './tar.ts';

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-image-'));
  try {
    await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const [architecture, machine] of [
  ['amd64', 62],
  ['arm64', 183],
] as const) {
  test(`the ${architecture} program is a static executable of one page`, () => {
    const elf = pauseProgram(architecture);
    assert.equal(elf.toString('latin1', 0, 4), '\x7fELF');
    assert.deepEqual([elf.readUInt16LE(16), elf.readUInt16LE(18)], [2, machine]);
    const entry = Number(elf.readBigUInt64LE(24) - elf.readBigUInt64LE(64 + 16));
    assert.ok(entry >= 64 + 2 * 56 && entry < elf.length && elf.length < 4096);
    assert.equal(elf.readUInt32LE(64 + 4), 5, 'readable and executable, not writable');
    assert.equal(elf.readBigUInt64LE(64 + 32), BigInt(elf.length));
    assert.deepEqual(pauseProgram(architecture), elf);
  });
}

test(
  'the program waits, and ends with code 0 on SIGTERM and SIGINT',
  { skip: process.arch !== 'x64' && 'needs an x64 machine' },
  () =>
    inDirectory(async directory => {
      const file = join(directory, 'pause');
      writeFileSync(file, pauseProgram('amd64'), { mode: 0o755 });
      for (const signal of ['SIGTERM', 'SIGINT'] as const) {
        const child = spawn(file);
        const exit = once(child, 'exit');
        // Before it waits a signal would end it the usual way: rt_sigtimedwait is system call 128.
        while (!readFileSync(`/proc/${child.pid}/syscall`, 'utf8').startsWith('128 ')) await settle();
        child.kill(signal);
        assert.deepEqual(await exit, [0, null]);
      }
    }),
);

test('the archive names its image and is the same every time, gzipped or not', () =>
  inDirectory(async directory => {
    assert.deepEqual(pauseImageArchive('amd64'), pauseImageArchive('amd64'));
    for (const [name, bytes] of [
      ['pause.tar', pauseImageArchive('arm64')],
      ['pause.tar.gz', gzipSync(pauseImageArchive('arm64'))],
    ] as const) {
      const file = join(directory, name);
      writeFileSync(file, bytes);
      assert.deepEqual(await archiveReferences(file), [{ raw: pauseImageReference, reference: pauseImageReference }]);
      const index = JSON.parse((await readFromTar(file, new Set(['index.json']))).get('index.json')!.toString());
      const blob = `blobs/${index.manifests[0].digest.replace(':', '/')}`;
      const manifest = (await readFromTar(file, new Set([blob]))).get(blob);
      assert.equal(manifest?.length, index.manifests[0].size);
    }
  }));

test('references are spelled out', () => {
  const cases = {
    nginx: 'docker.io/library/nginx:latest',
    'nginx:1.27': 'docker.io/library/nginx:1.27',
    'org/app': 'docker.io/org/app:latest',
    'docker.io/nginx': 'docker.io/library/nginx:latest',
    'index.docker.io/org/app:1': 'docker.io/org/app:1',
    'localhost/app': 'localhost/app:latest',
    'registry:5000/app': 'registry:5000/app:latest',
    'quay.io/a/b/c@sha256:00': 'quay.io/a/b/c@sha256:00',
  };
  for (const [name, full] of Object.entries(cases)) assert.equal(fullReference(name), full, name);
});
