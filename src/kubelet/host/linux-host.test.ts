import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { linuxHost } from './linux-host.ts';

/** Two directories, one of which a container may fill as it likes. */
function volume(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'k8ts-host-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const name of ['volume', 'outside']) mkdirSync(join(root, name));
  writeFileSync(join(root, 'outside/secret'), "KEY='secret'\n".repeat(10_000));
  return { at: (path: string) => join(root, 'volume', path), outside: join(root, 'outside') };
}

test('what a volume uses is what lies in it, wherever its links lead', async t => {
  const { at, outside } = volume(t);
  const host = linuxHost();
  mkdirSync(at('d'));
  writeFileSync(at('d/file'), 'x'.repeat(20_000));
  const [bytes, files] = [await host.usage(at('')), await host.files(at(''))];
  assert.ok(bytes >= 20_000 && bytes < 60_000, String(bytes));
  assert.equal(files, 2);
  symlinkSync(outside, at('elsewhere'));
  symlinkSync('.', at('loop'));
  symlinkSync('/', at('machine'));
  linkSync(at('d/file'), at('again'));
  assert.ok((await host.usage(at(''))) - bytes < 20_000);
  assert.equal(await host.files(at('')), 5);
  assert.deepEqual([await host.usage(at('none')), await host.files(at('loop'))], [0, 0]);
});

test('a file of a volume is read, but none that its links lead to elsewhere, and nothing else', async t => {
  const { at, outside } = volume(t);
  const host = linuxHost();
  mkdirSync(at('d'));
  writeFileSync(at('d/env'), "A='1'\n");
  symlinkSync('d', at('inside'));
  assert.equal(await host.readWithin(at(''), 'd/env'), "A='1'\n");
  assert.equal(await host.readWithin(at(''), 'inside/env'), "A='1'\n");
  assert.equal(await host.readWithin(at(''), 'none'), undefined);
  assert.equal(await host.readWithin(at('none'), 'env'), undefined);
  symlinkSync(join(outside, 'secret'), at('file-out'));
  symlinkSync(outside, at('out'));
  for (const path of ['file-out', 'out/secret', '../outside/secret'])
    await assert.rejects(host.readWithin(at(''), path), /not within volume path/, path);
  execFileSync('mkfifo', [at('pipe')]);
  for (const path of ['pipe', 'd']) await assert.rejects(host.readWithin(at(''), path), /is no file$/);
  writeFileSync(at('large'), 'x'.repeat((1 << 20) + 1));
  await assert.rejects(host.readWithin(at(''), 'large'), /is larger than 1048576 bytes$/);
});
