// What is on the disk at the moment a write is answered: kill -9 loses nothing of the page cache, a power cut does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openLmdbStore } from './lmdb-store.ts';
import { bytes } from './test-store.ts';

const canMount = (() => {
  try {
    execFileSync('losetup', ['--find'], { stdio: 'ignore' });
    execFileSync('mkfs.ext4', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

const sizeBytes = 64 << 20;

test('a power cut right after an answer loses nothing of it', {
  skip: !canMount && 'no loop devices, or no mkfs.ext4',
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'k8ts-power-'));
  const [image, copy, disk, after] = ['image', 'copy', 'disk', 'after'].map(name => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  const mounted: string[] = [];
  const mount = (from: string, at: string) => {
    mkdirSync(at);
    execFileSync('mount', ['-o', 'loop', from, at]);
    mounted.push(at);
  };
  try {
    writeFileSync(image, '');
    truncateSync(image, sizeBytes);
    // Commits its journal once an hour, not every five seconds: what is on the disk was asked for.
    execFileSync('mkfs.ext4', ['-q', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    mount(image, disk);
    execFileSync('mount', ['-o', 'remount,commit=3600', disk]);
    const store = await openLmdbStore({ directory: join(disk, 'store') });
    const answered: number[] = [];
    for (let round = 0; round < 3; round++) {
      const group = Array.from({ length: 20 }, (_, i) => store.create(`/${round}-${i}`, bytes(`${round}-${i}`)));
      answered.push(...(await Promise.all(group)));
    }
    // The file behind the file system is the disk: what the kernel has not been made to write is not in it.
    copyFileSync(image, copy);
    await store.close();
    mount(copy, after);
    const again = await openLmdbStore({ directory: join(after, 'store') });
    assert.equal(again.revision, answered.at(-1));
    const { entries } = await again.list('/');
    assert.deepEqual(
      entries.map(e => e.revision).sort((a, b) => a - b),
      answered,
    );
    await again.close();
  } finally {
    for (const at of mounted.reverse()) execFileSync('umount', ['-l', at]);
    rmSync(folder, { recursive: true });
  }
});
