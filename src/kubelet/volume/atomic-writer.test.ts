import assert from 'node:assert/strict';
import { mkdtempSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { linuxHost } from '../host/linux-host.ts';
import { MemoryHost } from '../host/memory-host.ts';
import { type Payload, utf8 } from '../kernel/payload.ts';
import { showsPayload, writePayload } from './atomic-writer.ts';

const dir = '/volumes/conf';
const payload = (files: Readonly<Record<string, Uint8Array>>): Payload =>
  new Map(Object.entries(files).map(([path, data]) => [path, { data, mode: 0o644 }]));

test('a payload is known by all of its files', async () => {
  const host = new MemoryHost();
  const both = payload({ 'd/one': utf8('1'), 'd/e/two': utf8('2') });
  assert.equal(await showsPayload(host, dir, both), false);
  await host.makeDirectory(dir);
  await writePayload(host, new VirtualClock(), dir, both);
  assert.equal(await showsPayload(host, dir, both), true);
  assert.equal(await showsPayload(host, dir, payload({ 'd/one': utf8('1'), 'd/e/two': utf8('3') })), false);
  // What is gone may have lain beside what stays.
  assert.equal(await showsPayload(host, dir, payload({ 'd/one': utf8('1') })), false);
});

test('bytes that are no text are never taken for the same', async () => {
  const host = new MemoryHost();
  await host.makeDirectory(dir);
  await writePayload(host, new VirtualClock(), dir, payload({ bin: Uint8Array.of(0xde) }));
  assert.equal(await showsPayload(host, dir, payload({ bin: Uint8Array.of(0xca) })), false);
});

test('a volume that is new is asked for nothing but what is there', async () => {
  const host = new MemoryHost();
  await host.makeDirectory(dir);
  const calls: string[] = [];
  const counting = new Proxy(host, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        calls.push(String(name));
        return value.apply(target, args);
      };
    },
  });
  const clock = new VirtualClock();
  await writePayload(counting, clock, dir, payload({ token: utf8('1'), 'd/ca': utf8('2') }));
  assert.deepEqual(calls.splice(0).sort(), [
    ...['list', 'makeDirectory', 'makeDirectory', 'rename', 'symlink', 'symlink', 'symlink', 'writeFile', 'writeFile'],
  ]);
  // Left by a writer that was killed: a link on its way, and a directory named by this very time.
  await host.symlink('..nowhere', `${dir}/..data_tmp`);
  await host.writeFile(`${dir}/stray`, 'x');
  await writePayload(counting, clock, dir, payload({ token: utf8('3') }));
  assert.deepEqual(await host.list(dir), ['..2026_01_01_00_00_00.000000000.1', '..data', 'token']);
  assert.equal(await host.readLink(`${dir}/token`), '..data/token');
  assert.equal(await host.readFile(`${dir}/token`), '3');
});

test("the machine's files are the same whether they are written at once or by another thread", async () => {
  const top = mkdtempSync(join(tmpdir(), 'k8ts-writer-'));
  try {
    const { uid, gid } = (await linuxHost().info(top))!;
    for (const [name, host] of Object.entries({ disk: linuxHost(), memory: linuxHost().inMemory })) {
      const at = join(top, name);
      await host.makeDirectory(at, 0o1777);
      assert.equal(statSync(at).mode & 0o7777, 0o1777);
      const first = new Map([
        ['token', { data: utf8('1'), mode: 0o400, uid }],
        ['d/ca', { data: utf8('2'), mode: 0o640 }],
      ]);
      const clock = new VirtualClock();
      await writePayload(host, clock, at, first, { gid });
      assert.equal(await showsPayload(host, at, first), true);
      assert.equal(readlinkSync(join(at, 'd')), '..data/d');
      assert.equal(statSync(join(at, 'token')).mode & 0o7777, 0o400);
      await clock.advance(1000);
      await writePayload(host, clock, at, payload({ token: utf8('3') }));
      assert.deepEqual(await host.list(at), ['..2026_01_01_00_00_01.000000000', '..data', 'token']);
      assert.equal(await host.readFile(join(at, 'token')), '3');
      assert.equal(await host.readFile(join(at, 'd/ca')), undefined);
      assert.equal(await host.info(join(at, 'd'), { follow: false }), undefined);
      await host.remove(join(at, 'token'));
      assert.deepEqual(await host.list(at), ['..2026_01_01_00_00_01.000000000', '..data']);
    }
  } finally {
    rmSync(top, { recursive: true });
  }
});
