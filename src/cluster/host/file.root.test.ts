// Files on a disk that is full.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isLocked, lockFile, writeFileAtomic } from './file.ts';

const disk = mkdtempSync(join(tmpdir(), 'k8ts-disk-'));
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'k8ts-disk', disk]);
after(() => {
  execFileSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true });
});

/** Leaves room for so many bytes. */
function fill(room: number): void {
  writeFileAtomic(join(disk, 'room'), 'x'.repeat(room));
  const fd = openSync(join(disk, 'ballast'), 'w');
  const piece = Buffer.alloc(4096);
  assert.throws(
    () => {
      for (;;) writeSync(fd, piece);
    },
    { code: 'ENOSPC' },
  );
  closeSync(fd);
  rmSync(join(disk, 'room'));
}

for (const [what, room] of [
  ['full', 1],
  ['almost full, so that a part of the file is taken', 8192],
] as const)
  test(`a disk that is ${what}: the old file stays, nothing is left beside it, and there are locks`, () => {
    const path = join(disk, 'config');
    writeFileAtomic(path, 'old');
    fill(room);
    assert.throws(() => writeFileAtomic(path, 'y'.repeat(64 << 10)), {
      name: 'FileError',
      message: `writing ${path}: the disk is full; make room there`,
    });
    assert.equal(readFileSync(path, 'utf8'), 'old');
    fill(1);
    const release = lockFile(join(disk, 'lock'), 'k8ts down');
    assert.ok(isLocked(join(disk, 'lock')));
    release();
    assert.deepEqual(readdirSync(disk).sort(), ['ballast', 'config']);
    rmSync(join(disk, 'ballast'));
  });
