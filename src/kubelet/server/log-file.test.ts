import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { type LogFileOptions, readLogFile } from './log-file.ts';

const line = (text: string) => `2026-01-02T03:04:05.1Z stdout F ${text}\n`;

function logFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-log-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, '0.log');
}

function read(path: string, options: Partial<LogFileOptions> = {}) {
  return readLogFile({
    path,
    follow: false,
    filter: {},
    clock: systemClock,
    isRunning: () => false,
    signal: new AbortController().signal,
    ...options,
  });
}

async function textOf(source: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const piece of source) text += piece;
  return text;
}

test('reads everything, a tail, and a line without end', async t => {
  const path = logFile(t);
  writeFileSync(path, line('a') + line('b') + line('c').trimEnd());
  assert.equal(await textOf(read(path)), 'a\nb\nc');
  assert.equal(await textOf(read(path, { tailLines: 2 })), 'b\nc');
  assert.equal(await textOf(read(path, { tailLines: 0 })), '');
  assert.equal(await textOf(read(path, { tailLines: 9, filter: { bytes: 3 } })), 'a\nb');
  await assert.rejects(textOf(read(`${path}.none`)), { code: 'ENOENT' });
});

test('follows across a rotation and ends with the container', async t => {
  const path = logFile(t);
  writeFileSync(path, line('one'));
  let running = true;
  const source = read(path, { follow: true, tailLines: 1, isRunning: () => running });
  const next = async () => String((await source.next()).value);
  assert.equal(await next(), 'one\n');
  const second = source.next();
  appendFileSync(path, line('two'));
  assert.equal(String((await second).value), 'two\n');
  appendFileSync(path, line('three'));
  renameSync(path, `${path}.1`);
  assert.equal(await next(), 'three\n');
  const late = source.next();
  writeFileSync(path, line('four'));
  assert.equal(String((await late).value), 'four\n');
  const last = source.next();
  running = false;
  appendFileSync(path, line('five'));
  assert.equal(String((await last).value), 'five\n');
  assert.equal((await source.next()).done, true);
});

test('following leaves nothing behind for what it has waited for', async t => {
  const path = logFile(t);
  writeFileSync(path, '');
  const { signal } = new AbortController();
  const source = read(path, { follow: true, isRunning: () => true, signal });
  t.after(() => source.return(undefined));
  for (const text of ['one', 'two', 'three', 'four']) {
    const next = source.next();
    while (getEventListeners(signal, 'abort').length === 0) await new Promise(resolve => setImmediate(resolve));
    appendFileSync(path, line(text));
    assert.equal(String((await next).value), `${text}\n`);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  }
});

test('following ends when nobody listens any more', async t => {
  const path = logFile(t);
  writeFileSync(path, '');
  const gone = new AbortController();
  const reading = textOf(read(path, { follow: true, isRunning: () => true, signal: gone.signal }));
  await new Promise(resolve => setImmediate(resolve));
  gone.abort();
  assert.equal(await reading, '');
});
