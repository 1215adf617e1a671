// A control plane killed with SIGKILL again and again while many clients write. Needs no root, but a minute of the machine.
import assert from 'node:assert/strict';
import type { ClientHttp2Session } from 'node:http2';
import { after, test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../src/base/clock.ts';
import { type Random, seededRandom } from '../../src/base/random.ts';
import { request, type ServerProcess, serverProcess } from './server-process.ts';

const crashes = Number(process.env.K8TS_CRASHES ?? 100);
const seed = Number(process.env.K8TS_SEED ?? process.pid);
const writers = 16;
const maxLoadMs = 150;
const path = '/api/v1/namespaces/default/configmaps';

/** What is known of an object: the answered state, and writes of it that were under way when the server went. */
interface Known {
  revision: number;
  /** Absent: deleted. */
  text: string | undefined;
  readonly pending: (string | undefined)[];
}

/** An object a list or a watch showed. */
interface Seen {
  readonly revision: number;
  readonly text: string;
}

const known = new Map<string, Known>();
const revisions = new Map<number, string>();
const count = { answered: 0, unanswered: 0, expired: 0, events: 0 };
let newest = 0;
let texts = 0;

const server: ServerProcess = await serverProcess();
after(() => server.dispose());

const ours = (name: string) => name.startsWith('w-');
const seenOf = (object: any): Seen => ({ revision: Number(object.metadata.resourceVersion), text: object.data.text });

function answered(name: string, revision: number, text: string | undefined): void {
  count.answered++;
  assert.equal(revisions.get(revision), undefined, `revision ${revision} was given twice, now to ${name}`);
  revisions.set(revision, name);
  assert.ok(revision > (known.get(name)?.revision ?? 0), `the revision of ${name} went back`);
  known.set(name, { revision, text, pending: [] });
  newest = Math.max(newest, revision);
}

/** One client: creates, updates and deletes objects of its own until the server is gone. */
async function write(session: ClientHttp2Session, own: number, random: Random): Promise<void> {
  for (;;) {
    const name = `w-${own}-${Math.floor(random.next() * 8)}`;
    const state = known.get(name);
    const there = state?.text !== undefined;
    // No two are the same: an update that changes nothing has the revision that was.
    const text = there && random.next() < 0.25 ? undefined : `${name}/${texts++}/`.padEnd(random.next() * 6000, 'x');
    const method = text === undefined ? 'DELETE' : there ? 'PUT' : 'POST';
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text } };
    try {
      const target = method === 'POST' ? path : `${path}/${name}`;
      const { code, body } = await request(session, method, target, text === undefined ? undefined : object);
      assert.ok(code === 200 || code === 201, `${method} ${name}: ${code} ${JSON.stringify(body)}`);
      // A deletion's answer does not say its revision: the watch and later answers do.
      if (text === undefined) {
        count.answered++;
        known.set(name, { revision: state!.revision, text, pending: [] });
      } else answered(name, Number(body.metadata.resourceVersion), text);
    } catch (error) {
      if (!/went away|destroyed|closed|session|socket/i.test(String(error))) throw error;
      count.unanswered++;
      const before = known.get(name) ?? { revision: 0, text: undefined, pending: [] };
      before.pending.push(text);
      known.set(name, before);
      return;
    }
  }
}

/** Follows the objects by watch alone, from restart to restart. */
class Mirror {
  readonly objects = new Map<string, Seen>();
  revision = 0;
  expired = false;
  #changed = () => {};

  follow(session: ClientHttp2Session): void {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.revision}`;
    const stream = session.request({ ':path': `${path}?${query}` });
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('error', () => {});
    stream.on('data', chunk => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#take(JSON.parse(line));
      this.#changed();
    });
  }

  #take({ type, object }: any): void {
    if (type === 'ERROR') {
      assert.equal(object.code, 410, JSON.stringify(object));
      this.expired = true;
      return;
    }
    const revision = Number(object.metadata.resourceVersion);
    assert.ok(revision > this.revision || (type === 'BOOKMARK' && revision === this.revision), 'a watch went back');
    this.revision = revision;
    const { name } = object.metadata;
    if (type === 'BOOKMARK' || !ours(name)) return;
    count.events++;
    if (type === 'DELETED') assert.ok(this.objects.delete(name), `${name} is deleted, but was not there`);
    else {
      assert.equal(type === 'MODIFIED', this.objects.has(name), `${type} ${name}`);
      this.objects.set(name, seenOf(object));
    }
  }

  /** Until it shows `objects`, or cannot. */
  async reach(objects: ReadonlyMap<string, Seen>): Promise<void> {
    const endMs = systemClock.monotonic() + 10_000;
    while (!this.expired && !isDeepStrictEqual(this.objects, objects)) {
      if (systemClock.monotonic() > endMs) assert.deepEqual(this.objects, objects);
      await new Promise<void>(resolve => {
        this.#changed = resolve;
        systemClock.after(1000, resolve);
      });
    }
  }
}

async function list(session: ClientHttp2Session): Promise<{ revision: number; objects: Map<string, Seen> }> {
  const { code, body } = await request(session, 'GET', path);
  assert.equal(code, 200);
  const items = body.items.filter((i: any) => ours(i.metadata.name));
  return {
    revision: Number(body.metadata.resourceVersion),
    objects: new Map(items.map((i: any) => [i.metadata.name, seenOf(i)])),
  };
}

/** Every answered write is there; of writes nobody heard about, each is there whole or not at all. */
function check(there: { revision: number; objects: Map<string, Seen> }): void {
  assert.ok(there.revision >= newest, `the store went back from ${newest} to ${there.revision}`);
  newest = there.revision;
  for (const [name, state] of known) {
    const now = there.objects.get(name);
    const allowed = [state.text, ...state.pending];
    assert.ok(allowed.includes(now?.text), `${name}: ${now?.text.slice(0, 30)}, answered ${state.text?.slice(0, 30)}`);
    if (now && now.text === state.text) assert.equal(now.revision, state.revision, name);
    else if (now) assert.ok(now.revision > state.revision, name);
    known.set(name, { revision: now?.revision ?? state.revision, text: now?.text, pending: [] });
  }
  for (const name of there.objects.keys()) assert.ok(known.has(name), `${name} came from nowhere`);
}

test(`${crashes} times kill -9 under load: nothing answered is lost`, { timeout: 900_000 }, async t => {
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const mirror = new Mirror();
  const starts: number[] = [];
  const began = systemClock.monotonic();
  for (let i = 0; i < crashes; i++) {
    // Some die while they start.
    if (i % 10 === 9) {
      server.spawn();
      await systemClock.sleep(random.next() * 400);
      await server.kill();
    }
    starts.push(await server.start());
    const session = await server.connect();
    const there = await list(session);
    check(there);
    if (mirror.revision === 0) mirror.revision = there.revision;
    mirror.follow(session);
    await mirror.reach(there.objects);
    if (mirror.expired) {
      count.expired++;
      mirror.expired = false;
      mirror.objects.clear();
      for (const [name, seen] of there.objects) mirror.objects.set(name, seen);
      mirror.revision = there.revision;
      mirror.follow(session);
    }
    const load = Array.from({ length: writers }, (_, own) =>
      write(session, own, seededRandom(random.next() * 2 ** 31)),
    );
    await systemClock.sleep(random.next() * maxLoadMs);
    await server.kill();
    await Promise.all(load);
    session.destroy();
  }
  starts.sort((a, b) => a - b);
  const seconds = ((systemClock.monotonic() - began) / 1000).toFixed(0);
  t.diagnostic(`${JSON.stringify(count)}, revision ${newest}, ${seconds} s`);
  t.diagnostic(
    `start to ready: median ${starts[starts.length >> 1]!.toFixed(0)} ms, worst ${starts.at(-1)!.toFixed(0)}`,
  );
  assert.ok(count.answered > crashes, 'hardly anything was written');
  // The store keeps the log, so a watch normally goes on where it was.
  assert.ok(count.expired <= crashes / 10, `${count.expired} watches had expired`);
});
