import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readIfThere, writeSecretFile } from './pem-file.ts';
import { seededRandom } from './random.ts';

test('writes privately, replaces whole, leaves nothing behind, names what failed', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'pem-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const random = seededRandom(1);
  const file = join(directory, 'deep', 'a.key');
  assert.equal(await readIfThere(file), undefined);
  await writeSecretFile(file, 'one', random);
  writeFileSync(join(directory, 'plain'), '');
  await writeSecretFile(file, 'two', random);
  assert.equal(await readIfThere(file), 'two');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(directory, 'deep')).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(join(directory, 'deep')), ['a.key']);
  const impossible = join(directory, 'plain', 'b.key');
  await assert.rejects(writeSecretFile(impossible, 'x', random), /write ".*plain\/b.key": /);
  await assert.rejects(readIfThere(impossible), /read ".*plain\/b.key": /);
  await assert.rejects(writeSecretFile(join(directory, 'deep'), 'x', random), /write /);
  assert.deepEqual(readdirSync(directory).sort(), ['deep', 'plain']);
  assert.equal(readFileSync(file, 'utf8'), 'two');
});
