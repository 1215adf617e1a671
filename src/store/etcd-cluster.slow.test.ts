// A cluster of etcd whose leader is killed, or falls silent, while servers write: nothing acknowledged is lost, and
// watches go on.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type EtcdStore, openEtcdStore } from './etcd-store.ts';
import { StoreConflictError, StoreUnavailableError } from './store.ts';
import { type EtcdProcess, missingEtcd, startEtcdCluster } from './test-etcd.ts';
import { bytes, Recorder } from './test-store.ts';

const missing = await missingEtcd();
const log = createLog('etcd', { level: 'error' });

/** Creates and rewrites its own keys until told to stop; keeps what was acknowledged. */
class Writer {
  /** By key: the newest revision that was acknowledged, and its value. */
  readonly acknowledged = new Map<string, { revision: number; value: string }>();
  readonly revisions: number[] = [];
  readonly failures: Error[] = [];
  readonly #store: EtcdStore;
  readonly #name: string;
  running = true;

  constructor(store: EtcdStore, name: string) {
    this.#store = store;
    this.#name = name;
  }

  async run(): Promise<void> {
    for (let i = 0; this.running; i++) {
      const key = `/${this.#name}/${i}`;
      try {
        const revision = await this.#store.create(key, bytes('first'));
        this.#note(key, revision, 'first');
        this.#note(key, await this.#store.update(key, revision, bytes('second')), 'second');
      } catch (error) {
        this.failures.push(error as Error);
      }
    }
  }

  #note(key: string, revision: number, value: string): void {
    this.acknowledged.set(key, { revision, value });
    this.revisions.push(revision);
  }
}

test('etcd: the leader of three is killed, twice', { skip: missing ?? false, timeout: 60_000 }, async t => {
  await loseLeaders(t, 2, { lose: leader => leader.kill(), back: leader => leader.start() });
});

// As where a machine stops or a cable is pulled: connections stay, and nobody answers.
test('etcd: the leader of three falls silent', { skip: missing ?? false, timeout: 60_000 }, async t => {
  let lostAt = 0;
  await loseLeaders(t, 1, {
    lose: async leader => {
      lostAt = systemClock.monotonic();
      leader.pause(true);
    },
    back: async leader => {
      const tookMs = systemClock.monotonic() - lostAt;
      leader.pause(false);
      assert.ok(tookMs < 20_000, `writes went on after ${tookMs} ms`);
    },
  });
});

interface Loss {
  lose(leader: EtcdProcess): Promise<void>;
  back(leader: EtcdProcess): Promise<void>;
}

async function loseLeaders(t: TestContext, rounds: number, { lose, back }: Loss): Promise<void> {
  const cluster = await startEtcdCluster(3);
  t.after(() => cluster.remove());
  const first = await cluster.leader();
  const open = (servers: string[]) =>
    openEtcdStore({ servers, prefix: '/k', root: '', clock: systemClock, random: systemRandom, log });
  const urls = cluster.members.map(m => m.url);
  // One speaks to the leader, one to a follower.
  const others = urls.filter(u => u !== first.url);
  const stores = [await open([first.url, ...others]), await open([...others, first.url])];
  t.after(() => Promise.all(stores.map(s => s.close())));
  const watches = stores.map(s => new Recorder(s, '/', s.revision));
  const writers = stores.flatMap((s, i) => [0, 1].map(n => new Writer(s, `${i}${n}`)));
  const running = Promise.all(writers.map(w => w.run()));
  const progress = async (count: number) => {
    const before = writers.map(w => w.revisions.length);
    await watches[0]!.until(() => writers.every((w, i) => w.revisions.length >= before[i]! + count));
  };
  await progress(10);
  for (let round = 0; round < rounds; round++) {
    const leader = await cluster.leader();
    await lose(leader);
    await progress(10);
    assert.notEqual((await cluster.leader()).url, leader.url);
    await back(leader);
    await progress(10);
  }
  for (const w of writers) w.running = false;
  await running;

  const newest = await stores[0]!.newestRevision();
  const kept = new Map((await stores[0]!.list('/')).entries.map(e => [e.key, e]));
  for (const writer of writers) {
    // A write that nobody answered may have happened.
    for (const failure of writer.failures)
      assert.ok(failure instanceof StoreUnavailableError || failure instanceof StoreConflictError, String(failure));
    for (const [key, { revision, value }] of writer.acknowledged) {
      const entry = kept.get(key);
      assert.ok(entry, `${key} was acknowledged and is gone`);
      assert.ok(entry.revision >= revision);
      if (entry.revision === revision) assert.equal(Buffer.from(entry.value).toString(), value);
    }
  }
  const last = Math.max(...[...kept.values()].map(e => e.revision));
  assert.ok(last <= newest);
  for (const watch of watches) {
    await watch.until(() => (watch.revisions.at(-1) ?? 0) >= last || watch.errors.length > 0);
    assert.deepEqual(watch.errors, []);
    const told = watch.revisions;
    assert.deepEqual(
      told,
      [...new Set(told)].sort((a, b) => a - b),
      'each once, in order',
    );
    const seen = new Set(told);
    assert.deepEqual(
      writers.flatMap(w => w.revisions).filter(r => !seen.has(r)),
      [],
    );
  }
  assert.deepEqual(watches[0]!.revisions, watches[1]!.revisions);
}
