import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { seededRandom } from '../base/random.ts';
import { openLmdbStore } from './lmdb-store.ts';
import type { Store, StoreEvent } from './store.ts';

// Each kill costs about 0.2 s. K8TS_CRASHES=100 for the long run, K8TS_SEED to run one again.
const crashes = Number(process.env.K8TS_CRASHES ?? 30);
const seed = Number(process.env.K8TS_SEED ?? process.pid);

interface Answer {
  readonly revision: number;
  readonly type: string;
  readonly key: string;
}

const maxDelayMs = 120;

/** Lets a process write until killed at a random moment; gives what it said was written. */
async function crash(directory: string, writers: number, seed: number, delay: number): Promise<Answer[]> {
  const program = join(import.meta.dirname, 'testdata/crash-writer.ts');
  const child = spawn(process.execPath, [program, directory, String(writers), String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8');
  const opened = new Promise<void>(resolve => {
    child.stdout.on('data', chunk => {
      output += chunk;
      if (output.includes('\n')) resolve();
    });
  });
  const closed = once(child, 'close');
  await Promise.race([opened, closed]);
  setTimeout(() => child.kill('SIGKILL'), delay);
  const [code, signal] = await closed;
  assert.equal(signal, 'SIGKILL', `the writer ended by itself with ${code}`);
  // The last line may be cut.
  const lines = output.split('\n').slice(0, -1);
  assert.match(lines[0] ?? '', /^open /);
  return lines.slice(1).map(line => {
    const [revision, type, key] = line.split(' ');
    return { revision: Number(revision), type: type!, key: key! };
  });
}

function checkValue(key: string, revision: number, value: Uint8Array): void {
  const pattern = `${key}@${revision};`;
  const expected = Buffer.alloc(value.byteLength, pattern);
  assert.ok(value.byteLength >= 20 && expected.equals(value), `the value of ${key} at ${revision} is not whole`);
}

async function logOf(store: Store): Promise<StoreEvent[]> {
  const events: StoreEvent[] = [];
  const last = store.revision;
  if (store.compactedRevision === last) return events;
  await new Promise<void>((resolve, reject) => {
    store.watch('', store.compactedRevision, {
      onEvents: some => {
        events.push(...some);
        if (events.at(-1)!.revision === last) resolve();
      },
      onError: reject,
    });
  });
  return events;
}

/** What is there after a crash against what was there before and answered since. Gives what is there now. */
async function checkStore(
  store: Store,
  answers: readonly Answer[],
  newest: ReadonlyMap<string, Answer>,
  before: number,
): Promise<Map<string, Answer>> {
  assert.ok(store.revision >= before && store.revision >= Math.max(0, ...answers.map(a => a.revision)));
  assert.equal(new Set(answers.map(answer => answer.revision)).size, answers.length);
  const page = await store.list('');
  for (const { key, revision, value } of page.entries) {
    checkValue(key, revision, value);
    assert.ok(revision <= store.revision);
  }
  const there = new Map(page.entries.map(entry => [entry.key, entry.revision]));
  // A key's state is the answered one, or that of the one write of it that may have been under way.
  for (const { key, revision, type } of newest.values()) {
    const now = there.get(key) ?? 0;
    if (type === 'put' && now === 0) continue;
    assert.ok(
      type === 'delete' ? now === 0 || now > revision : now >= revision,
      `${key}: ${now}, answered ${revision}`,
    );
  }
  const events = await logOf(store);
  events.forEach((event, i) => {
    assert.equal(event.revision, store.compactedRevision + 1 + i);
    checkValue(event.key, event.revision, event.value);
  });
  const deleted = new Set(events.filter(event => event.type === 'delete').map(event => event.key));
  for (const { key, type, revision } of newest.values()) {
    if (type !== 'put' || there.has(key)) continue;
    const event = events.findLast(event => event.key === key);
    assert.ok(deleted.has(key) && event!.revision > revision, `${key}, answered at ${revision}, is gone`);
  }
  return new Map(page.entries.map(({ key, revision }) => [key, { key, revision, type: 'put' }]));
}

test(`after ${crashes} kills every answered write is there`, { timeout: 300_000 }, async t => {
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-crash-'));
  let before = 0;
  let answered = 0;
  let newest = new Map<string, Answer>();
  try {
    for (let i = 0; i < crashes; i++) {
      const writers = 1 + Math.floor(random.next() * 32);
      const answers = await crash(directory, writers, Math.floor(random.next() * 2 ** 31), random.next() * maxDelayMs);
      for (const answer of answers) newest.set(answer.key, answer);
      for (const answer of answers) assert.ok(answer.revision > before, 'a revision was given twice');
      const store = await openLmdbStore({ directory, logLength: 200 });
      newest = await checkStore(store, answers, newest, before);
      answered += answers.length;
      before = store.revision;
      await store.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  assert.ok(answered > 0);
  t.diagnostic(`${answered} answered writes, revision ${before}`);
});
