// The life of a watch on a clock of the test: bookmarks each minute, the end after 30 to 60 minutes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { namespaces, testApi } from '../test-api.ts';
import type { Watching } from '../test-caller.ts';

const clock = new VirtualClock(systemClock.now());
let chance = 0;
const api = testApi({ clock, random: { ...systemRandom, next: () => chance } });
const newNamespace = namespaces(api);

// What does not come shall fail, not hang.
const timeout = 20_000;
const seconds = (n: number) => clock.advance(n * 1000);
const isBookmark = (e: { type: string }) => e.type === 'BOOKMARK';
const bookmarks = (watching: Watching) => watching.events.filter(isBookmark);

/** All that was written before has arrived once an object written now has. */
async function write(watching: Watching, path: string, name: string): Promise<string> {
  const { metadata } = await api.expect(201, 'POST', path, { metadata: { name } });
  await watching.next(e => e.object.metadata?.name === name);
  return metadata.resourceVersion;
}

test('an idle watch gets a bookmark within each minute, a busy one too', { timeout }, async () => {
  const [idlePath, busyPath] = [await newNamespace(), await newNamespace()].map(
    ns => `/api/v1/namespaces/${ns}/configmaps`,
  );
  for (const [least, length] of [
    [0, 50],
    [0.9999, 60],
  ] as const) {
    chance = least;
    const { metadata } = await api.expect(200, 'GET', busyPath!);
    const query = `?watch=1&allowWatchBookmarks=true&resourceVersion=${metadata.resourceVersion}`;
    const idle = await api.watch(`${idlePath}${query}`);
    const busy = await api.watch(`${busyPath}${query}`);
    const silent = await api.watch(`${busyPath}?watch=1`);
    let count = 0;
    for (let minute = 1; minute <= 2; minute++) {
      let last = '';
      for (let i = 0; i < 2; i++) {
        await seconds((length * 2) / 5);
        last = await write(busy, busyPath!, `c${length}-${minute}-${i}`);
      }
      await seconds(length / 5 - 1);
      await write(busy, busyPath!, `d${length}-${minute}`);
      for (const watching of [idle, busy]) assert.equal(bookmarks(watching).length, count, 'not before its time');
      await seconds(1);
      count++;
      for (const watching of [idle, busy]) {
        const { object } = await watching.next(e => isBookmark(e) && bookmarks(watching).length === count);
        assert.equal(bookmarks(watching).length, count);
        assert.equal(object.kind, 'ConfigMap');
        assert.deepEqual(Object.keys(object.metadata), ['resourceVersion']);
        // Not of the last object that this watch saw, but of all that was written.
        const said = Number(bookmarks(watching).at(-1)!.object.metadata.resourceVersion);
        assert.ok(said > Number(last), `${said} > ${last}`);
      }
    }
    assert.deepEqual(bookmarks(silent), []);
    for (const w of [idle, busy, silent]) w.stop();
  }
});

test('a watch without timeoutSeconds ends after 30 to 60 minutes, with a last bookmark for who asked', {
  timeout,
}, async () => {
  const path = `/api/v1/namespaces/${await newNamespace()}/secrets`;
  for (const [least, minutes] of [
    [0, 30],
    [0.5, 45],
    [0.9999, 60],
  ] as const) {
    chance = least;
    const marked = await api.watch(`${path}?watch=1&allowWatchBookmarks=true`);
    const plain = await api.watch(`${path}?watch=1`);
    const ended = { marked: false, plain: false };
    marked.ended.then(() => (ended.marked = true));
    plain.ended.then(() => (ended.plain = true));
    await seconds(minutes * 60 - 2);
    await write(plain, path, `s${minutes}`);
    await marked.next(e => e.object.metadata.name === `s${minutes}`);
    assert.deepEqual(ended, { marked: false, plain: false }, `before ${minutes} minutes`);
    await seconds(2);
    await Promise.all([marked.ended, plain.ended]);
    assert.equal(marked.events.at(-1)!.type, 'BOOKMARK');
    assert.ok(!plain.events.some(isBookmark));
  }
});

test('timeoutSeconds ends a watch at its own time, also beyond an hour', { timeout }, async () => {
  chance = 0;
  const path = `/api/v1/namespaces/${await newNamespace()}/services`;
  for (const timeout of [5, 4000]) {
    const watching = await api.watch(`${path}?watch=1&timeoutSeconds=${timeout}`);
    let ended = false;
    watching.ended.then(() => (ended = true));
    await seconds(timeout - 1);
    await api.expect(200, 'GET', path);
    assert.equal(ended, false);
    await seconds(1);
    await watching.ended;
  }
});
