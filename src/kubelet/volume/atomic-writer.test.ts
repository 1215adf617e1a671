import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
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
