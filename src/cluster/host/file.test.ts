import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isLocked, LockedError, lockFile, readIfThere, removeDeadTemporaries, writeFileAtomic } from './file.ts';
import { identityOf, isAlive, signalProcess } from './process-identity.ts';

const directory = mkdtempSync(join(tmpdir(), 'k8ts-file-'));
after(() => rmSync(directory, { recursive: true }));

test('writing replaces in one step, with its mode', () => {
  const path = join(directory, 'a', 'b');
  writeFileAtomic(path, 'one');
  writeFileAtomic(path, 'two');
  assert.equal(readFileSync(path, 'utf8'), 'two');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(directory, 'a')), ['b']);
  assert.equal(readIfThere(join(directory, 'none')), undefined);
});

test('what killed writers left beside a file goes, what living ones write stays', () => {
  const own = mkdtempSync(join(directory, 'd'));
  const dead = spawnSync('true').pid;
  const left = [
    `f.${dead}.tmp`,
    `f.lock.${dead}.0.tmp`,
    `f.lock.${dead}.0.tmp.${dead}.tmp`,
    `f.lock.${dead}.1.tmp.dead`,
  ];
  const kept = ['f', 'f.lock', `f.${process.pid}.tmp`, `f.lock.${process.pid}.0.tmp`, `g.${dead}.tmp`, 'f.old.tmp'];
  for (const name of [...left, ...kept]) writeFileSync(join(own, name), '');
  removeDeadTemporaries(join(own, 'f'));
  assert.deepEqual(readdirSync(own).sort(), kept.sort());
});

test('a lock keeps the second one out and names the first', () => {
  const path = join(directory, 'lock');
  const release = lockFile(path, 'k8ts up');
  assert.throws(
    () => lockFile(path, 'k8ts down'),
    (error: unknown) =>
      error instanceof LockedError && error.owner.what === 'k8ts up' && error.owner.pid === process.pid,
  );
  release();
  lockFile(path, 'k8ts down')();
  assert.equal(readIfThere(path), undefined);
});

test('the lock of a dead process, or of a later one with its pid, is taken over', () => {
  const path = join(directory, 'dead');
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  writeFileSync(path, JSON.stringify({ pid, start: 'boot/1', what: 'k8ts up' }));
  lockFile(path, 'k8ts up')();
  writeFileSync(path, JSON.stringify({ pid: process.pid, start: 'boot/1', what: 'k8ts up' }));
  lockFile(path, 'k8ts up')();
  writeFileSync(path, '');
  assert.throws(() => lockFile(path, 'k8ts up'), /another program holds/);
});

test('what cannot be read, written or locked is named, with what to do, and nothing is left beside it', () => {
  const own = mkdtempSync(join(directory, 'n'));
  mkdirSync(join(own, 'd'));
  writeFileSync(join(own, 'f'), '');
  const said = (act: () => unknown, code: string, message: RegExp) =>
    assert.throws(act, { name: 'FileError', code, message }, String(message));
  said(() => writeFileAtomic(join(own, 'd'), 'x'), 'EISDIR', /^writing .*\/d: it is a directory, not a file$/);
  said(() => readIfThere(join(own, 'd')), 'EISDIR', /^reading .*\/d: it is a directory/);
  said(() => writeFileAtomic(join(own, 'f', 'x'), 'x'), 'EEXIST', /^making directory .*\/f: a file of that name is in/);
  said(() => lockFile(join(own, 'f', 'x'), 'up'), 'EEXIST', /^making directory .*\/f: a file of that name is in/);
  said(() => lockFile(join(own, 'x'.repeat(300)), 'up'), 'ENAMETOOLONG', /^taking lock .*: the path is too long/);
  assert.deepEqual(readdirSync(own).sort(), ['d', 'f']);
});

test('a file that root replaces stays its owner’s', t => {
  if (process.getuid?.() !== 0) return t.skip('needs root');
  const path = join(directory, 'owned');
  writeFileSync(path, 'one');
  chownSync(path, 65534, 65533);
  writeFileAtomic(path, 'two');
  const { uid, gid, mode } = statSync(path);
  assert.deepEqual([uid, gid, mode & 0o777], [65534, 65533, 0o600]);
});

test('a lock is a link that names its owner: it needs no room on the disk', () => {
  const path = join(directory, 'linked');
  const release = lockFile(path, 'k8ts up');
  assert.match(readlinkSync(path), /^\{"pid":\d+,.*"what":"k8ts up"\}$/);
  assert.ok(isLocked(path));
  release();
  assert.ok(!isLocked(path));
  const { pid } = spawnSync('true');
  symlinkSync(JSON.stringify({ pid, start: 'boot/1', what: 'k8ts up' }), path);
  lockFile(path, 'k8ts down')();
  assert.ok(!isLocked(path));
});

test('a process is more than its pid', () => {
  const own = identityOf(process.pid);
  assert.ok(own && isAlive(own));
  const other = { pid: process.pid, start: 'boot/1' };
  assert.ok(!isAlive(other));
  assert.equal(signalProcess(other, 'SIGKILL'), false);
  assert.equal(identityOf(2 ** 22 + 1), undefined);
});
