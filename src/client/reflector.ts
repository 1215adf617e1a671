import type { KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { isExpired, isInvalid, isNotFound, StatusError } from '../api/status.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { BackOff } from './back-off.ts';
import type { Client, WatchEventType, WatchHandle } from './client.ts';
import type { InformerOptions } from './informer.ts';
import { isUnserved } from './unserved.ts';

/** Where a reflector puts what it sees. */
export interface ReflectorSink<T> {
  /** All that exists at that version; what is held and not among it is gone. */
  replace(items: readonly T[], resourceVersion: string | undefined): void;
  put(object: T): void;
  delete(object: T): void;
  /** Nothing else has happened up to this version. */
  passed(resourceVersion: string): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  client: Client;
  resource: ResourceRef<T>;
  options: InformerOptions;
  sink: ReflectorSink<T>;
  clock: Clock;
  random: Random;
  log: Log;
  /** Get the first state through the watch (sendInitialEvents) instead of a list; falls back when refused. */
  streamInitialList?: boolean;
}

type Ended = { readonly error: Error | undefined; readonly afterMs: number; readonly events: number };

const initialEventsEnd = 'k8s.io/initial-events-end';
const shortestWatchMs = 1000;
// No server keeps anybody away for longer.
const longestPauseMs = 300_000;
// So many failures in a row to watch, and the state is listed anew: the server may have lost what we point at.
const watchFailuresBeforeList = 5;

/** Lists a resource, then follows it by watching; lists again when the server no longer knows where we were. */
export class Reflector<T extends KubeObject> {
  readonly #o: ReflectorOptions<T>;
  readonly #backOff: BackOff;
  #streaming: boolean;
  /** Where the next watch begins. */
  #resourceVersion: string | undefined;
  /**
   * Where the next list begins: '0' takes any state the server has; '' the newest. So does the first: a server that lags
   * behind may have what is long gone, and whoever has just started could not tell.
   */
  #listFrom = '';
  #listed = false;
  /** The first state could not be streamed this time. */
  #listNext = false;
  /** The pages of a list took longer than the server knows where they stopped: it comes in one. So does the first. */
  #unpaged = true;
  /** The server has no such kind: there are no objects of it until it has. */
  #unserved = false;
  /** So many watches in a row were over at once. */
  #shortWatches = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#o = options;
    this.#streaming = options.streamInitialList ?? false;
    this.#backOff = new BackOff(
      { initialMs: 800, maxMs: 30_000, resetAfterMs: 120_000 },
      options.clock,
      options.random,
    );
  }

  get resourceVersion(): string | undefined {
    return this.#resourceVersion;
  }

  /** Until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (!this.#listed && (!this.#streaming || this.#listNext)) {
          this.#listNext = false;
          await this.#list();
        }
      } catch (error) {
        if (signal.aborted) return;
        await this.#listFailed(error);
        await this.#pause(signal, error);
        continue;
      }
      // A signal that has aborted meanwhile would not end the watch.
      if (signal.aborted) return;
      const ended = await this.#watch(signal);
      if (signal.aborted) return;
      failures = ended.error && ended.events === 0 ? failures + 1 : 0;
      if (this.#afterWatch(ended, failures)) await this.#pause(signal, ended.error);
    }
  }

  async #list(): Promise<void> {
    const { client, resource, options, sink } = this.#o;
    const items: T[] = [];
    let token: string | undefined;
    do {
      const first = this.#listFrom ? { resourceVersion: this.#listFrom } : this.#unpaged ? {} : { limit: 500 };
      const page = await client.list(resource, { ...options, ...(token ? { continue: token, limit: 500 } : first) });
      for (const item of page.items) items.push(item);
      token = page.metadata.continue || undefined;
      this.#resourceVersion = page.metadata.resourceVersion;
    } while (token);
    this.#unpaged = false;
    this.#replaced(items, sink);
  }

  #replaced(items: readonly T[], sink: ReflectorSink<T>): void {
    this.#listed = true;
    this.#unserved = false;
    // Never back before what has been seen.
    this.#listFrom = this.#resourceVersion ?? '0';
    sink.replace(items, this.#resourceVersion);
  }

  async #listFailed(error: unknown): Promise<void> {
    const { client, log, resource, sink } = this.#o;
    const text = `list ${resource.resource} failed`;
    if (isExpired(error) || isTooLarge(error)) {
      log.debug(text, { error: messageOf(error) });
      // A list of the newest that is too old was one in pages.
      if (this.#listFrom === '') this.#unpaged = true;
      this.#listFrom = '';
      return;
    }
    log[this.#unserved ? 'debug' : 'warn'](text, { error: messageOf(error) });
    if (this.#unserved || this.#resourceVersion !== undefined || !isNotFound(error)) return;
    if (!(await isUnserved(client, resource))) return;
    this.#unserved = true;
    log.warn('the server does not have this kind, going on without', { resource: nameOf(resource) });
    sink.replace([], undefined);
  }

  /** One watch from beginning to end. */
  #watch(signal: AbortSignal): Promise<Ended> {
    const { client, resource, options, clock, random } = this.#o;
    const initial = !this.#listed;
    const collected: Map<string, T> | undefined = initial ? new Map() : undefined;
    const startMs = clock.monotonic();
    // What Kubernetes' own servers give their kinds are numbers that grow; of others nobody knows.
    const from = initial || !isKubernetesGroup(resource.group) ? undefined : this.#resourceVersion;
    let events = 0;
    return new Promise(resolve => {
      let handle: WatchHandle | undefined;
      let over = false;
      const end = (error: Error | undefined) => {
        if (over) return;
        over = true;
        signal.removeEventListener('abort', abort);
        resolve({ error, afterMs: clock.monotonic() - startMs, events });
      };
      const abort = () => {
        handle?.stop();
        end(undefined);
      };
      signal.addEventListener('abort', abort, { once: true });
      handle = client.watch(
        resource,
        {
          ...options,
          timeoutSeconds: Math.floor(300 * (1 + random.next())),
          ...(initial ? { sendInitialEvents: true } : { resourceVersion: this.#resourceVersion }),
        },
        {
          onEvent: (type, object) => {
            if (over) return;
            // Seen before: it would bring back what has changed or gone since.
            if (from !== undefined && isOlder(object.metadata.resourceVersion, from)) return;
            events++;
            if (collected && !this.#listed) this.#collect(collected, type, object);
            else this.#apply(type, object);
          },
          onClose: end,
        },
      );
      if (over) handle.stop();
    });
  }

  #collect(collected: Map<string, T>, type: WatchEventType, object: T): void {
    const id = object.metadata.uid;
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type === 'DELETED') collected.delete(id);
    else if (type !== 'BOOKMARK') collected.set(id, object);
    else if (object.metadata.annotations?.[initialEventsEnd] === 'true')
      this.#replaced([...collected.values()], this.#o.sink);
  }

  #apply(type: WatchEventType, object: T): void {
    if (type === 'DELETED') this.#o.sink.delete(object);
    else if (type !== 'BOOKMARK') this.#o.sink.put(object);
    else this.#o.sink.passed(object.metadata.resourceVersion);
    // After the sink: should it fail, the event comes again.
    this.#resourceVersion = object.metadata.resourceVersion;
    this.#listFrom = object.metadata.resourceVersion;
  }

  /** Decides how to go on; true when it is better to wait first. */
  #afterWatch({ error, afterMs, events }: Ended, failures: number): boolean {
    const { log, resource } = this.#o;
    const text = `watch ${resource.resource} ended`;
    this.#shortWatches = afterMs < shortestWatchMs ? this.#shortWatches + 1 : 0;
    if (!error) {
      if (!this.#listed) return true;
      const tooShort = this.#shortWatches > (events === 0 ? 0 : 1);
      // Something ends them all before they bring anything: what has happened is only to be had by lists.
      const useless = events === 0 && this.#shortWatches >= watchFailuresBeforeList;
      const loud = useless && this.#shortWatches === watchFailuresBeforeList;
      if (tooShort) log[loud ? 'warn' : 'debug']('very short watch', { resource: resource.resource });
      if (useless) {
        this.#listed = false;
        this.#listNext = true;
      }
      return tooShort;
    }
    if (isExpired(error)) {
      log.debug(text, { error: messageOf(error) });
      this.#listed = false;
      this.#listFrom = '';
      // An expired watch that never showed anything may expire again at once.
      return failures > 1 || this.#shortWatches > 1;
    }
    if (this.#streaming && !this.#listed && error instanceof StatusError && error.code !== 429) {
      log.debug('sendInitialEvents refused, listing instead', { error: messageOf(error) });
      // What the server's store cannot do now it may do later.
      if (isRefused(error)) this.#streaming = false;
      this.#listNext = true;
      return false;
    }
    const refused = error instanceof StatusError && error.code !== 429 && error.code < 500;
    const loud = refused || (failures === watchFailuresBeforeList && afterMs < shortestWatchMs);
    log[loud ? 'warn' : 'debug'](text, { error: messageOf(error) });
    // A connection that held and broke: the next is tried at once, and waited for only should it fail.
    if (!(error instanceof StatusError) && this.#listed && afterMs >= shortestWatchMs) return false;
    if (isTooLarge(error) || failures >= watchFailuresBeforeList) {
      this.#listed = false;
      if (isTooLarge(error)) this.#listFrom = '';
    }
    return true;
  }

  /** As long as the back-off says, or the server that refused. */
  async #pause(signal: AbortSignal, error: unknown): Promise<void> {
    const askedMs = Math.min(longestPauseMs, retryAfterMs(error));
    await this.#o.clock.sleep(Math.max(askedMs, this.#backOff.delayMs()), signal).catch(() => {});
  }
}

const nameOf = ({ group, version, resource }: ResourceRef): string => `${resource}.${version}.${group}`;

const isKubernetesGroup = (group: string): boolean => !group.includes('.') || group.endsWith('.k8s.io');

/** Of two whole numbers without leading zeros. */
export const isOlder = (a: string, b: string): boolean => (a.length === b.length ? a < b : a.length < b.length);

const retryAfterMs = (error: unknown): number =>
  error instanceof StatusError ? (error.status.details?.retryAfterSeconds ?? 0) * 1000 : 0;

/** The server is behind the resourceVersion asked for, as after a restore: no point in insisting. */
function isTooLarge(error: unknown): boolean {
  return (
    error instanceof StatusError &&
    (error.status.details?.causes?.some(c => c.reason === 'ResourceVersionTooLarge') ?? false)
  );
}

function isRefused(error: Error): boolean {
  return isInvalid(error) || (error instanceof StatusError && (error.code === 400 || error.code === 405));
}
