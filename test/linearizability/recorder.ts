// What many clients of real servers saw: every operation with its call, return and answer; lists; watches.
import type { ClientHttp2Session } from 'node:http2';
import { systemClock } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import { type Reply, request, type ServerProcess } from '../crash/server-process.ts';
import type { Span } from './checker.ts';
import type { ObjectOperation, Seen } from './object-model.ts';

export const path = '/api/v1/namespaces/default/configmaps';
const prefix = 'lin-';

export interface Recorded extends Span<ObjectOperation> {
  readonly name: string;
}

export interface ListSeen {
  readonly callMs: number;
  readonly returnMs: number;
  readonly revision: number;
  readonly objects: ReadonlyMap<string, Seen>;
}

export interface EventSeen {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly name: string;
  readonly revision: number;
  readonly value: string;
}

const isGone = (error: unknown): boolean =>
  /went away|destroyed|closed|session|socket|ECONN|refused/i.test(String(error));

const seenOf = (object: any): Seen => ({ revision: Number(object.metadata.resourceVersion), value: object.data.text });

/** One server that comes and goes, and a connection to it while it is there. */
export class Reachable {
  readonly server: ServerProcess;
  #session: Promise<ClientHttp2Session> | undefined;
  #up = Promise.withResolvers<void>();
  #ended = false;

  constructor(server: ServerProcess) {
    this.server = server;
  }

  connected(): void {
    this.#session = this.server.connect();
    this.#up.resolve();
  }

  /** A connection, once there is one again. */
  async session(): Promise<ClientHttp2Session> {
    const endMs = systemClock.monotonic() + 60_000;
    for (;;) {
      await Promise.race([this.#up.promise, systemClock.sleep(500)]);
      if (this.#ended) throw new Error('closed');
      const session = await this.#session;
      if (session && !session.destroyed) return session;
      if (systemClock.monotonic() > endMs)
        throw new Error(`the server is not there again: ${this.server.said.slice(-2000)}`);
      await systemClock.sleep(5);
    }
  }

  async kill(): Promise<void> {
    this.#up = Promise.withResolvers();
    const session = await this.#session;
    this.#session = undefined;
    await this.server.kill('SIGKILL');
    session?.destroy();
  }

  async close(): Promise<void> {
    this.#ended = true;
    this.#up.resolve();
    (await this.#session)?.destroy();
  }
}

export class Recorder {
  readonly operations: Recorded[] = [];
  readonly lists: ListSeen[] = [];
  readonly #random: Random;
  readonly #names: readonly string[];
  #values = 0;
  #stopped = false;

  constructor(random: Random, names: number) {
    this.#random = random;
    this.#names = Array.from({ length: names }, (_, i) => `${prefix}${i}`);
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Acts at random until stopped, through a server that may go at any time. */
  async client(reachable: Reachable): Promise<void> {
    // What it last saw of each object: what its writes are based on, right or not.
    const held = new Map<string, number>();
    while (!this.#stopped) {
      try {
        const session = await reachable.session();
        await this.#act(session, held);
      } catch (error) {
        if (!isGone(error)) throw error;
        await systemClock.sleep(5);
      }
    }
  }

  #act(session: ClientHttp2Session, held: Map<string, number>): Promise<void> {
    const name = this.#names[Math.floor(this.#random.next() * this.#names.length)]!;
    const dice = this.#random.next();
    if (dice < 0.08) return this.#list(session);
    const revision = held.get(name);
    if (dice < 0.35) return this.#get(session, name, held);
    if (revision === undefined || dice < 0.5) return this.#create(session, name, held);
    if (dice < 0.85) return this.#update(session, name, revision, held);
    return this.#delete(session, name, revision, held);
  }

  async #call(name: string, ask: () => Promise<Reply>, read: (reply?: Reply) => ObjectOperation): Promise<void> {
    const callMs = systemClock.monotonic();
    let reply: Reply;
    try {
      reply = await ask();
    } catch (error) {
      this.operations.push({ name, callMs, returnMs: Number.POSITIVE_INFINITY, operation: read() });
      throw error;
    }
    this.operations.push({ name, callMs, returnMs: systemClock.monotonic(), operation: read(reply) });
  }

  async #get(session: ClientHttp2Session, name: string, held: Map<string, number>): Promise<void> {
    const callMs = systemClock.monotonic();
    const { code, body } = await request(session, 'GET', `${path}/${name}`);
    const returnMs = systemClock.monotonic();
    if (code !== 200 && code !== 404) return;
    const result = code === 404 ? 'absent' : seenOf(body);
    if (result === 'absent') held.delete(name);
    else held.set(name, result.revision);
    this.operations.push({ name, callMs, returnMs, operation: { kind: 'get', result } });
  }

  #create(session: ClientHttp2Session, name: string, held: Map<string, number>): Promise<void> {
    const value = `${this.#values++}`;
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { text: value } };
    return this.#call(
      name,
      () => request(session, 'POST', path, object),
      reply => ({ kind: 'create', value, result: this.#written(name, reply, held, { 409: 'exists' as const }) }),
    );
  }

  #update(session: ClientHttp2Session, name: string, ifRevision: number, held: Map<string, number>): Promise<void> {
    const value = `${this.#values++}`;
    const metadata = { name, resourceVersion: String(ifRevision) };
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { text: value } };
    const refusals = { 409: 'conflict' as const, 404: 'absent' as const };
    return this.#call(
      name,
      () => request(session, 'PUT', `${path}/${name}`, object),
      reply => ({ kind: 'update', value, ifRevision, result: this.#written(name, reply, held, refusals) }),
    );
  }

  #delete(session: ClientHttp2Session, name: string, ifRevision: number, held: Map<string, number>): Promise<void> {
    const body = { preconditions: { resourceVersion: String(ifRevision) } };
    const results: Record<number, 'done' | 'conflict' | 'absent'> = { 200: 'done', 409: 'conflict', 404: 'absent' };
    return this.#call(
      name,
      () => request(session, 'DELETE', `${path}/${name}`, body),
      reply => {
        if (reply) held.delete(name);
        return { kind: 'delete', ifRevision, result: results[reply?.code ?? 0] ?? unknown(reply) };
      },
    );
  }

  #written<R extends string>(
    name: string,
    reply: Reply | undefined,
    held: Map<string, number>,
    refusals: Partial<Record<number, R>>,
  ): number | R | 'unknown' {
    if (reply && (reply.code === 200 || reply.code === 201)) {
      const { revision } = seenOf(reply.body);
      held.set(name, revision);
      return revision;
    }
    const refusal = reply && refusals[reply.code];
    if (!refusal) return unknown(reply);
    held.delete(name);
    return refusal;
  }

  async #list(session: ClientHttp2Session): Promise<void> {
    const seen = await listed(session);
    if (seen) this.lists.push(seen);
  }
}

// A server that is stopping, or whose etcd is away, does not know either.
function unknown(reply: Reply | undefined): 'unknown' {
  if (reply && reply.code < 500) throw new Error(`unexpected answer: ${reply.code} ${JSON.stringify(reply.body)}`);
  return 'unknown';
}

/** Undefined when the server cannot say. */
export async function listed(session: ClientHttp2Session): Promise<ListSeen | undefined> {
  const callMs = systemClock.monotonic();
  const { code, body } = await request(session, 'GET', path);
  if (code >= 500) return undefined;
  const items = body.items.filter((i: any) => i.metadata.name.startsWith(prefix));
  const objects = new Map<string, Seen>(items.map((i: any) => [i.metadata.name, seenOf(i)]));
  return { callMs, returnMs: systemClock.monotonic(), revision: Number(body.metadata.resourceVersion), objects };
}

/** Follows from a revision on by watch alone, from restart to restart, alternating between servers. */
export class Follower {
  readonly events: EventSeen[] = [];
  readonly start: number;
  revision: number;
  /** It was told to list anew so often. */
  expired = 0;
  failure: string | undefined;
  #stopped = false;

  constructor(start: number) {
    this.start = start;
    this.revision = start;
  }

  stop(): void {
    this.#stopped = true;
  }

  async follow(servers: readonly Reachable[], first = 0): Promise<void> {
    for (let i = first; !this.#stopped && this.expired === 0; i++) {
      const watching = servers[i % servers.length]!.session().then(session => this.#watch(session));
      await watching.catch(error => {
        if (!isGone(error)) this.failure ??= String(error);
      });
      if (!this.#stopped) await systemClock.sleep(5);
    }
  }

  #watch(session: ClientHttp2Session): Promise<void> {
    const query = `watch=true&allowWatchBookmarks=true&resourceVersion=${this.revision}`;
    return new Promise(resolve => {
      const stream = session.request({ ':path': `${path}?${query}` });
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('error', () => {});
      stream.on('close', resolve);
      stream.on('data', chunk => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        for (const line of lines) this.#take(JSON.parse(line));
        if (this.#stopped) stream.close();
      });
      // What is stopped may hear nothing more.
      const look = () => (this.#stopped ? stream.close() : systemClock.after(50, look));
      look();
    });
  }

  #take({ type, object }: any): void {
    if (type === 'ERROR') {
      if (object.code === 410) this.expired++;
      else if (object.code < 500) this.failure ??= JSON.stringify(object);
      return;
    }
    const revision = Number(object.metadata.resourceVersion);
    if (revision < this.revision || (revision === this.revision && type !== 'BOOKMARK'))
      this.failure ??= `a watch went back from ${this.revision} to ${type} at ${revision}`;
    this.revision = revision;
    const { name } = object.metadata;
    if (type !== 'BOOKMARK' && name.startsWith(prefix))
      this.events.push({ type, name, revision, value: object.data.text });
  }

  /** Rejects when it does not get there. */
  async reach(revision: number, longestMs = 15_000): Promise<void> {
    const endMs = systemClock.monotonic() + longestMs;
    while (this.revision < revision && this.expired === 0) {
      if (systemClock.monotonic() > endMs) throw new Error(`a watch stands at ${this.revision}, not at ${revision}`);
      await systemClock.sleep(10);
    }
  }
}
