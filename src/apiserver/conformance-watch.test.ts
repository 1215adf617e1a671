// The essence of the official suite's tests of watches and chunked lists: nothing but the API server is needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../base/clock.ts';
import { testApi } from './test-api.ts';
import { type Json, mergePatch, type Watching } from './test-caller.ts';

const clock = new VirtualClock(systemClock.now());
const api = testApi({ clock });

let count = 0;
async function namespace(): Promise<string> {
  const name = `n${++count}`;
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name } });
  return name;
}
const mapsOf = (ns: string) => `/api/v1/namespaces/${ns}/configmaps`;
const is = (type: string, name: string) => (e: { type: string; object: Json }) =>
  e.type === type && e.object.metadata.name === name;
const summary = (w: Watching) =>
  w.events.map(e => `${e.type} ${e.object.metadata.name} ${e.object.data?.mutation ?? ''}`);

test('[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps', async () => {
  const maps = mapsOf(await namespace());
  const a = await api.watch(`${maps}?watch=true&labelSelector=watch%3Da`);
  const b = await api.watch(`${maps}?watch=true&labelSelector=watch%3Db`);
  const both = await api.watch(`${maps}?watch=true&labelSelector=watch%20in%20(a,b)`);
  for (const w of ['a', 'b']) {
    const made = await api.expect(201, 'POST', maps, { metadata: { name: w, labels: { watch: w } } });
    made.data = { mutation: '1' };
    const second = await api.expect(200, 'PUT', `${maps}/${w}`, made);
    second.data.mutation = '2';
    await api.expect(200, 'PUT', `${maps}/${w}`, second);
    await api.expect(200, 'DELETE', `${maps}/${w}`);
  }
  const story = (w: string) => [`ADDED ${w} `, `MODIFIED ${w} 1`, `MODIFIED ${w} 2`, `DELETED ${w} 2`];
  await a.next(is('DELETED', 'a'));
  await b.next(is('DELETED', 'b'));
  await both.next(is('DELETED', 'b'));
  assert.deepEqual(summary(a), story('a'));
  assert.deepEqual(summary(b), story('b'));
  assert.deepEqual(summary(both), [...story('a'), ...story('b')]);
});

async function changing(maps: string, name: string, until: number): Promise<Json[]> {
  const seen = [await api.expect(201, 'POST', maps, { metadata: { name, labels: { w: 'x' } } })];
  for (let i = 1; i <= until; i++)
    seen.push(await api.expect(200, 'PUT', `${maps}/${name}`, { ...seen.at(-1), data: { mutation: `${i}` } }));
  return seen;
}

test('[sig-api-machinery] Watchers should be able to start watching from a specific resource version', async () => {
  const maps = mapsOf(await namespace());
  const [, first] = await changing(maps, 'm', 2);
  await api.expect(200, 'DELETE', `${maps}/m`);
  const w = await api.watch(`${maps}?watch=true&resourceVersion=${first.metadata.resourceVersion}`);
  await w.next(is('DELETED', 'm'));
  assert.deepEqual(summary(w), ['MODIFIED m 2', 'DELETED m 2']);
});

test('[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch', async () => {
  const maps = mapsOf(await namespace());
  const w = await api.watch(`${maps}?watch=true`);
  await changing(maps, 'm', 1);
  const last = await w.next(is('MODIFIED', 'm'));
  w.stop();
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '2' } }, mergePatch);
  await api.expect(200, 'DELETE', `${maps}/m`);
  const on = await api.watch(`${maps}?watch=true&resourceVersion=${last.object.metadata.resourceVersion}`);
  await on.next(is('DELETED', 'm'));
  assert.deepEqual(summary(on), ['MODIFIED m 2', 'DELETED m 2']);
});

test('[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector', async () => {
  const maps = mapsOf(await namespace());
  const w = await api.watch(`${maps}?watch=true&labelSelector=w%3Dx`);
  await changing(maps, 'm', 1);
  const label = (value: string) =>
    api.expect(200, 'PATCH', `${maps}/m`, { metadata: { labels: { w: value } } }, mergePatch);
  await label('y');
  await w.next(is('DELETED', 'm'));
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '2' } }, mergePatch);
  await label('x');
  await api.expect(200, 'PATCH', `${maps}/m`, { data: { mutation: '3' } }, mergePatch);
  await api.expect(200, 'DELETE', `${maps}/m`);
  await w.next(e => e.type === 'DELETED' && e.object.data.mutation === '3');
  assert.deepEqual(summary(w), ['ADDED m ', 'MODIFIED m 1', 'DELETED m 1', 'ADDED m 2', 'MODIFIED m 3', 'DELETED m 3']);
});

test('[sig-api-machinery] Watchers should receive events on concurrent watches in same order', async () => {
  const maps = mapsOf(await namespace());
  const from = (await api.expect(200, 'GET', maps)).metadata.resourceVersion;
  const reference = await api.watch(`${maps}?watch=true&resourceVersion=${from}`);
  const writing = Promise.all([0, 1, 2, 3].map(i => changing(maps, `m${i}`, 12)));
  const late: Watching[] = [];
  for (let i = 0; i < 10; i++) {
    const { object } = await reference.next(() => reference.events.length > i * 3);
    late.push(await api.watch(`${maps}?watch=true&resourceVersion=${object.metadata.resourceVersion}`));
  }
  await writing;
  await api.expect(201, 'POST', maps, { metadata: { name: 'end' } });
  const versions = async (w: Watching) => {
    await w.next(is('ADDED', 'end'));
    return w.events.map(e => e.object.metadata.resourceVersion);
  };
  const all = await versions(reference);
  for (const w of late) {
    const own = await versions(w);
    assert.deepEqual(own, all.slice(all.indexOf(own[0]!)));
  }
});

test('[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls', async () => {
  const ns = await namespace();
  const base = `/api/v1/namespaces/${ns}/podtemplates`;
  const template = { spec: { containers: [{ name: 'c', image: 'i' }] } };
  for (let i = 0; i < 40; i++)
    await api.expect(201, 'POST', base, { metadata: { name: `t-${String(i).padStart(2, '0')}` }, template });
  const names: string[] = [];
  let next = '';
  let revision = '';
  for (let pages = 0; pages === 0 || next; pages++) {
    const page = await api.expect(200, 'GET', `${base}?limit=7&continue=${encodeURIComponent(next)}`);
    revision ||= page.metadata.resourceVersion;
    assert.equal(page.metadata.resourceVersion, revision);
    names.push(...page.items.map((i: Json) => i.metadata.name));
    next = page.metadata.continue ?? '';
    if (next) assert.equal(page.metadata.remainingItemCount, 40 - names.length);
    else assert.equal(page.metadata.remainingItemCount, undefined);
  }
  assert.equal(names.length, 40);
  assert.deepEqual(names, [...names].sort());
  const whole = await api.expect(200, 'GET', `${base}?limit=0&resourceVersion=${revision}`);
  // Of any age: from the cache, whole, as kube-apiserver gives it; events have no cache.
  const any = await api.expect(200, 'GET', `${base}?limit=7&resourceVersion=0`);
  assert.deepEqual([any.items.length, any.metadata.continue], [whole.items.length, undefined]);
  assert.equal(whole.items.length, 40);
});

test('[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]', async () => {
  const maps = mapsOf(await namespace());
  for (const name of ['a', 'b', 'c', 'd', 'e']) await api.expect(201, 'POST', maps, { metadata: { name } });
  const first = await api.expect(200, 'GET', `${maps}?limit=2`);
  const token = encodeURIComponent(first.metadata.continue);
  await api.expect(200, 'GET', `${maps}?limit=2&continue=${token}`);
  await age(maps);
  const gone = await api.expect(410, 'GET', `${maps}?limit=2&continue=${token}`);
  assert.equal(gone.reason, 'Expired');
  assert.ok(gone.metadata.continue);
  const rest = await api.expect(200, 'GET', `${maps}?limit=2&continue=${encodeURIComponent(gone.metadata.continue)}`);
  assert.deepEqual(
    rest.items.map((i: Json) => i.metadata.name),
    ['c', 'd'],
  );
  assert.notEqual(rest.metadata.resourceVersion, first.metadata.resourceVersion);
  const end = await api.expect(200, 'GET', `${maps}?limit=2&continue=${encodeURIComponent(rest.metadata.continue)}`);
  assert.deepEqual(
    end.items.map((i: Json) => i.metadata.name),
    ['e'],
  );
  assert.equal(end.metadata.resourceVersion, rest.metadata.resourceVersion);
});

/** Lets the history of what stands at `maps` fall out of what the server keeps. */
async function age(maps: string): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await clock.advance(400_000);
    await api.expect(201, 'POST', maps, { metadata: { name: `a${i}` } });
    await api.expect(200, 'DELETE', `${maps}/a${i}`);
  }
}
