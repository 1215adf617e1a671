import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '../base/clock.ts';
import { compareUtf8 } from './sorted-keys.ts';
import { type Store, StoreConflictError, type StoreEvent } from './store.ts';

// The naive twin: every version of every key, searched from the start each time.

interface Version {
  readonly key: string;
  readonly revision: number;
  readonly value: string | undefined;
  readonly event: string;
  readonly previousRevision: number;
}

class Model {
  readonly versions: Version[] = [];
  compacted = 0;

  get revision(): number {
    return this.versions.length;
  }

  at(key: string, revision: number): Version | undefined {
    return this.versions.findLast(version => version.key === key && version.revision <= revision);
  }

  current(key: string): number {
    const version = this.at(key, this.revision);
    return version?.value === undefined ? 0 : version.revision;
  }

  write(key: string, value: string | undefined, event: string): void {
    const previousRevision = this.current(key);
    this.versions.push({ key, revision: this.revision + 1, value, event, previousRevision });
  }

  list(prefix: string, after: string | undefined, revision: number): Version[] {
    const keys = [...new Set(this.versions.map(version => version.key))].sort(compareUtf8);
    return keys
      .filter(key => key.startsWith(prefix) && (after === undefined || compareUtf8(key, after) > 0))
      .map(key => this.at(key, revision))
      .filter(version => version?.value !== undefined) as Version[];
  }
}

const keys = ['/a', '/a/b', '/a/c', '/a\u{1f600}', '/a\uffee', '/b', '/b/', '/c'];
const key = fc.constantFrom(...keys);
const anyKey = fc.constantFrom('', '/', ...keys);
const fraction = fc.double({ min: 0, max: 1, noNaN: true });
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ op: fc.constant('write' as const), key, stale: fc.boolean(), remove: fc.boolean() }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('list' as const),
      prefix: anyKey,
      after: fc.option(anyKey, { nil: undefined }),
      limit: fc.integer({ min: 0, max: 4 }),
      at: fraction,
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('watch' as const), prefix: anyKey, at: fraction }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('compact' as const), at: fraction }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reopen' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

interface Watched {
  readonly prefix: string;
  readonly after: number;
  readonly events: StoreEvent[];
}

interface Run {
  readonly atOnce: boolean;
  store: Store;
  readonly reopen: (() => Promise<Store>) | undefined;
  readonly model: Model;
  writes: Promise<unknown>[];
  watched: Watched[];
}

/** Random operations on the store and on a naive twin; both must tell the same. */
export function conformToModel(
  name: string,
  open: () => Promise<{ store: Store; reopen?: () => Promise<Store>; cleanup(): Promise<void> }>,
  { decidesAtOnce }: { readonly decidesAtOnce: boolean },
): void {
  test(`${name}: does what its naive twin does`, async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 80 }), async steps => {
      const opened = await open();
      const run: Run = {
        atOnce: decidesAtOnce,
        store: opened.store,
        reopen: opened.reopen,
        model: new Model(),
        writes: [],
        watched: [],
      };
      try {
        for (const one of steps) await take(run, one);
        await barrier(run);
      } finally {
        await opened.cleanup();
      }
    });
    // fast-check prints the seed and the shortest failing sequence.
    await fc.assert(property, { numRuns: decidesAtOnce ? 40 : 8 });
  });
}

async function take(run: Run, one: Step): Promise<void> {
  if (one.op === 'write') {
    write(run, one.key, one.stale, one.remove);
    // Others may be decided in any order.
    if (!run.atOnce) await Promise.all(run.writes);
    return;
  }
  await settle(run);
  const { model, store } = run;
  const revision = 'at' in one ? model.compacted + Math.floor(one.at * (model.revision - model.compacted)) : 0;
  if (one.op === 'list') await compareList(run, one, revision);
  if (one.op === 'watch') {
    const watched: Watched = { prefix: one.prefix, after: revision, events: [] };
    store.watch(one.prefix, revision, { onEvents: events => watched.events.push(...events), onError: () => {} });
    run.watched.push(watched);
  }
  if (one.op === 'compact') {
    // What was told is compared before its previous values go.
    await barrier(run);
    run.watched = [];
    await store.compact(revision);
    model.compacted = Math.max(model.compacted, revision);
    assert.equal(store.compactedRevision, model.compacted);
  }
  if (one.op === 'reopen' && run.reopen) {
    await barrier(run);
    run.watched = [];
    run.store = await run.reopen();
  }
}

// Not awaited: several writes may be decided before the first is durable.
function write(run: Run, key: string, stale: boolean, remove: boolean): void {
  const { model, store } = run;
  const current = model.current(key);
  const next = model.revision + 1;
  const encode = (revision: number) => {
    assert.equal(revision, run.atOnce ? next : 0);
    return Buffer.from(`${key}@${next}`);
  };
  if (stale) {
    const ask = current === 0 ? store.update(key, next, encode) : store.create(key, encode);
    run.writes.push(assert.rejects(ask, e => e instanceof StoreConflictError && e.currentRevision === current));
    return;
  }
  const text = `${key}@${next}`;
  const told = (promise: Promise<number>) => run.writes.push(promise.then(got => assert.equal(got, next)));
  if (current === 0) told(store.create(key, encode));
  else if (remove) told(store.delete(key, current, encode));
  else told(store.update(key, current, encode));
  const removed = current !== 0 && remove;
  model.write(key, removed ? undefined : text, removed && !run.atOnce ? model.at(key, current)!.event : text);
}

async function settle(run: Run): Promise<void> {
  await Promise.all(run.writes);
  run.writes = [];
  assert.equal(run.store.revision, run.model.revision);
  compareWatches(run, false);
}

// A write is answered when every watch registered before has all events up to it. A server elsewhere may still be telling
// a watch of the past.
async function barrier(run: Run): Promise<void> {
  write(run, '/barrier', false, false);
  await Promise.all(run.writes);
  run.writes = [];
  const due = ({ prefix, after }: Watched) =>
    run.model.versions.filter(v => v.revision > after && v.key.startsWith(prefix)).length;
  const told = () => run.watched.every(w => w.events.length >= due(w));
  for (let tries = 0; !run.atOnce && !told() && tries < 1000; tries++) await systemClock.sleep(5);
  compareWatches(run, true);
}

async function compareList(run: Run, one: Extract<Step, { op: 'list' }>, revision: number): Promise<void> {
  const { prefix, after, limit } = one;
  const page = await run.store.list(prefix, { limit, revision, ...(after === undefined ? {} : { after }) });
  const all = run.model.list(prefix, after, revision === 0 ? run.model.revision : revision);
  const expected = limit === 0 ? all : all.slice(0, limit);
  assert.deepEqual(
    page.entries.map(entry => [entry.key, entry.revision, Buffer.from(entry.value).toString()]),
    expected.map(version => [version.key, version.revision, version.value]),
  );
  assert.equal(page.more, expected.length < all.length);
}

function compareWatches(run: Run, complete: boolean): void {
  for (const { prefix, after, events } of run.watched) {
    const expected = run.model.versions.filter(v => v.revision > after && v.key.startsWith(prefix));
    const got = events.map(event => [event.revision, event.key, Buffer.from(event.value).toString(), event.type]);
    const wanted = expected.map(v => [v.revision, v.key, v.event, v.value === undefined ? 'delete' : 'put']);
    // A watch from the past may not have been told everything yet.
    assert.deepEqual(got, complete ? wanted : wanted.slice(0, got.length));
    for (const event of events) {
      const version = run.model.versions[event.revision - 1]!;
      assert.equal(event.previousRevision, version.previousRevision);
      const previous = run.model.versions[event.previousRevision - 1]?.value;
      assert.equal(event.previous && Buffer.from(event.previous).toString(), previous);
    }
  }
}
