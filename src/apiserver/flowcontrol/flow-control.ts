// Priority and fairness: every request takes seats of its priority level, or waits for them in one of its flow's queues.
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/type/flowcontrol-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import { timeoutMs } from '../query-value.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import { isTrue, type RequestInfo } from '../request-info.ts';
import { mandatoryLevels, mandatorySchemas } from './bootstrap.ts';
import { FlowCounts, SchemaState } from './flow-schema.ts';
import { type Gate, type Inflight, kindOf, tooMany } from './inflight.ts';
import { byPrecedence } from './kernel/classify.ts';
import { FlowMemo } from './kernel/flow-memo.ts';
import { listWidth, plainWidth, sizeWidth, type Width, widestWidth, writeWidth } from './kernel/width.ts';
import { boundLevels, divideSeats, LevelState } from './level-state.ts';
import { Pass } from './pass.ts';

type Source = Pick<WatchCache, 'snapshot' | 'listen'>;

export interface FlowControlOptions {
  readonly clock: Clock;
  readonly schemas: Source;
  readonly levels: Source;
  /** The cache of a resource: how much there is to list, and how many watch. */
  cacheOf(group: string, resource: string): Pick<WatchCache, 'size' | 'bytes' | 'watchers'> | undefined;
  /** SizeBasedListCostEstimate: lists are as wide as what they give is large, instead of what it counts. */
  readonly bySize: boolean;
  readonly inflight: Inflight;
  /** All levels together. */
  readonly serverSeats: number;
  /** A request may wait a quarter of it. */
  readonly requestTimeoutMs: number;
}

/** Limits are set anew by what was asked for in this time. */
const periodMs = 10_000;
const mostPeriods = 1000;

export class FlowControl implements Gate {
  readonly #options: FlowControlOptions;
  #schemas: readonly SchemaState[] = [];
  #memo = new FlowMemo<SchemaState>([]);
  readonly #levels = new Map<string, LevelState>();
  readonly #counts = new Map<string, FlowCounts>();
  #stale = true;
  #periodEndMs = 0;
  fairFraction = 1;

  constructor(options: FlowControlOptions) {
    this.#options = options;
    for (const source of [options.schemas, options.levels])
      source.listen({
        onEvent: () => {
          this.#stale = true;
        },
      });
  }

  /** By name, also those that go. */
  get levels(): readonly LevelState[] {
    return [...this.#levels.values()].sort((a, b) => (a.level.name < b.level.name ? -1 : 1));
  }

  get counts(): Iterable<FlowCounts> {
    return this.#counts.values();
  }

  /** Everything as of now: for those who look at it. */
  refresh(): void {
    const nowMs = this.#options.clock.monotonic();
    if (this.#stale) this.#configure(nowMs);
    if (nowMs >= this.#periodEndMs) this.#adjust(nowMs);
    for (const { level } of this.#levels.values()) level.advance(nowMs);
  }

  admit(info: RequestInfo, user: UserInfo, exchange: Exchange, nowMs: number): Pass | Promise<Pass> | undefined {
    if (info.verb !== 'watch' && isLongRunning(info)) return undefined;
    if (this.#stale) this.#configure(nowMs);
    if (nowMs >= this.#periodEndMs) this.#adjust(nowMs);
    const schema = this.#memo.find(user, info) ?? this.#schemas.at(-1)!;
    const flow = schema.flowOf(info, user);
    const { counts, level: state } = schema;
    exchange.extraHeaders = { ...exchange.extraHeaders, ...schema.headers };
    const pass = new Pass(this, flow, info, user, this.#widthOf(info, exchange, state, counts));
    counts.width.observe(pass.seats);
    const arrival = state.level.arrive(pass, flow.hand, nowMs);
    if (arrival === 'started') {
      // It has been in its queue, if for no time.
      if (pass.queue) counts.queueLength.observe(pass.queue.length + 1);
      this.#started(pass);
      return pass;
    }
    if (arrival !== 'waiting') {
      counts.rejected[arrival]++;
      counts.waitSeconds.false.observe(0);
      throw tooMany(state.retryAfter.drop(nowMs));
    }
    counts.waiting++;
    counts.waitingSeats += pass.seats;
    counts.queueLength.observe(pass.queue!.length);
    this.#options.inflight.waiting[kindOf(info)].add(1, nowMs);
    const begun = new Promise<Pass>((resolve, reject) => this.#wait(pass, exchange, resolve, reject));
    this.#pump(state, nowMs);
    return begun;
  }

  finish(pass: Pass): void {
    const nowMs = this.#options.clock.monotonic();
    const { counts, level: state } = pass.flow.schema;
    state.level.finish(pass, nowMs);
    counts.executing--;
    counts.seats -= pass.seats;
    counts.executionSeconds[pass.info.verb === 'watch' ? 'watch' : 'regular'].observe((nowMs - pass.startedMs) / 1000);
    this.#options.inflight.executing[kindOf(pass.info)].add(-1, nowMs);
    if (state.level.waiting > 0) this.#pump(state, nowMs);
    else if (state.quiescing && state.level.idle) this.#stale = true;
  }

  #started(pass: Pass): void {
    const { counts } = pass.flow.schema;
    counts.dispatched++;
    counts.executing++;
    counts.seats += pass.seats;
    counts.waitSeconds.true.observe((pass.startedMs - pass.arrivedMs) / 1000);
    this.#options.inflight.executing[kindOf(pass.info)].add(1, pass.startedMs);
  }

  #wait(pass: Pass, exchange: Exchange, resolve: (pass: Pass) => void, reject: (error: Error) => void): void {
    const { clock, inflight, requestTimeoutMs } = this.#options;
    const { counts, level: state } = pass.flow.schema;
    const waitsNoMore = (nowMs: number) => {
      pass.begin = undefined;
      pass.timer?.cancel();
      counts.waiting--;
      counts.waitingSeats -= pass.seats;
      inflight.waiting[kindOf(pass.info)].add(-1, nowMs);
    };
    const giveUp = (why: 'time-out' | 'cancelled') => {
      if (!pass.begin) return;
      const nowMs = clock.monotonic();
      waitsNoMore(nowMs);
      state.level.leave(pass, why, nowMs);
      counts.rejected[why]++;
      counts.waitSeconds.false.observe((nowMs - pass.arrivedMs) / 1000);
      reject(tooMany(state.retryAfter.drop(nowMs)));
      this.#pump(state, nowMs);
    };
    pass.begin = () => {
      waitsNoMore(pass.startedMs);
      this.#started(pass);
      resolve(pass);
    };
    pass.timer = clock.after(patience(pass.info, exchange.query, requestTimeoutMs), () => giveUp('time-out'));
    exchange.onClose(() => giveUp('cancelled'));
  }

  /** Starts what there are seats for. */
  #pump(state: LevelState, nowMs: number): void {
    const { level } = state;
    for (let next = level.dispatch(nowMs); next; next = level.dispatch(nowMs)) (next as Pass).begin!();
    const { clock } = this.#options;
    if (level.waiting === 0 || level.nextReleaseMs === undefined || state.releaseTimer) return;
    state.releaseTimer = clock.after(level.nextReleaseMs - nowMs, () => {
      state.releaseTimer = undefined;
      this.#pump(state, clock.monotonic());
    });
  }

  #widthOf(info: RequestInfo, { query }: Exchange, { widest }: LevelState, counts: FlowCounts): Width {
    if (!info.isResource) return plainWidth;
    switch (info.verb) {
      case 'watch':
        // Without a version, or with the oldest one, it begins with what there is.
        if (Number(query.get('resourceVersion') ?? 0) > 0 && !isTrue(query.get('sendInitialEvents'))) return plainWidth;
        return this.#listWidth(info, query, widest);
      case 'list':
        return this.#listWidth(info, query, widest);
      case 'create':
      case 'update':
      case 'patch':
      case 'delete': {
        // A token, a review or an eviction changes no object that is watched under its own name.
        if (info.subresource !== '' && info.subresource !== 'status') return plainWidth;
        const watchers = this.#options.cacheOf(info.group, info.resource)?.watchers(info.namespace) ?? 0;
        counts.watchers.observe(watchers);
        return writeWidth(watchers, widest);
      }
      default:
        return plainWidth;
    }
  }

  #listWidth(info: RequestInfo, query: URLSearchParams, widest: number): Width {
    const cache = this.#options.cacheOf(info.group, info.resource);
    if (!cache) return plainWidth;
    const { size: stored, bytes } = cache;
    const widthOf = (objects: number) =>
      this.#options.bySize ? sizeWidth(objects * (bytes / Math.max(1, stored)), widest) : listWidth(objects, widest);
    if (query.size === 0) return widthOf(stored);
    const fields = query.get('fieldSelector');
    if (info.name || (fields && /(^|,)metadata\.name==?[^,]/.test(fields))) return widthOf(1);
    const limit = Number(query.get('limit') ?? 0);
    if (!Number.isInteger(limit)) return widestWidth(widest);
    const page = limit > 0 && info.verb === 'list' ? Math.min(limit, stored) : stored;
    // Selecting looks at more than it finds: for a page, half of what there is.
    const selects = Boolean(fields || query.get('labelSelector')) && query.get('resourceVersion') !== '0';
    const looked = selects ? Math.max(page, stored / 2) : page;
    return widthOf(looked);
  }

  /** Takes over the objects as they are now. */
  #configure(nowMs: number): void {
    this.#stale = false;
    const { schemas, levels, serverSeats } = this.#options;
    const configured = new Map<string, PriorityLevelConfiguration>(mandatoryLevels().map(l => [l.metadata.name, l]));
    for (const object of all<PriorityLevelConfiguration>(levels)) configured.set(object.metadata.name, object);
    let changed = false;
    for (const object of configured.values()) {
      const state = this.#levels.get(object.metadata.name);
      if (state) {
        changed ||= state.quiescing || state.object.spec !== object.spec;
        state.quiescing = false;
        state.configure(object, nowMs);
      } else {
        changed = true;
        this.#levels.set(object.metadata.name, new LevelState(object, nowMs));
      }
    }
    const wanted = new Map<string, FlowSchema>(mandatorySchemas().map(s => [s.metadata.name, s]));
    for (const object of all<FlowSchema>(schemas)) wanted.set(object.metadata.name, object);
    this.#schemas = [...wanted.values()]
      .filter(s => configured.has(s.spec.priorityLevelConfiguration.name))
      .sort(byPrecedence)
      .map(s => this.#schemaState(s));
    this.#memo = new FlowMemo(this.#schemas.map(value => ({ schema: value.object, value })));
    for (const [name, state] of this.#levels) {
      if (configured.has(name)) continue;
      changed ||= !state.quiescing;
      state.quiescing = true;
      if (state.level.idle) this.#levels.delete(name);
    }
    if (!changed) return;
    boundLevels(this.#lasting(), serverSeats);
    this.#closePeriod(nowMs);
  }

  #lasting(): LevelState[] {
    return [...this.#levels.values()].filter(l => !l.quiescing);
  }

  #schemaState(object: FlowSchema): SchemaState {
    const level = this.#levels.get(object.spec.priorityLevelConfiguration.name)!;
    const key = `${object.metadata.name}/${level.level.name}`;
    let counts = this.#counts.get(key);
    if (!counts) {
      counts = new FlowCounts(object.metadata.name, level.level.name);
      this.#counts.set(key, counts);
    }
    return new SchemaState(object, level, counts);
  }

  /** Closes the periods that are over. No timer does it: where nothing asks, nothing needs a limit. */
  #adjust(nowMs: number): void {
    const over = Math.min(mostPeriods, 1 + Math.floor((nowMs - this.#periodEndMs) / periodMs));
    for (let n = 1; n < over; n++) {
      const endMs = nowMs - (over - n) * periodMs;
      for (const state of this.#lasting()) {
        state.level.advance(endMs);
        state.closePeriod();
      }
    }
    this.#closePeriod(nowMs);
  }

  #closePeriod(nowMs: number): void {
    const states = this.#lasting();
    for (const state of states) {
      state.level.advance(nowMs);
      state.closePeriod();
    }
    this.fairFraction = divideSeats(states);
    this.#periodEndMs = nowMs + periodMs;
    for (const state of states) this.#pump(state, nowMs);
  }
}

function all<T>(source: Source): T[] {
  const objects: T[] = [];
  source.snapshot().scan('', undefined, stored => {
    objects.push(stored.object as unknown as T);
    return undefined;
  });
  return objects;
}

/** A quarter of the time the request has: the server's, or less when the client says so. */
function patience(info: RequestInfo, query: URLSearchParams, requestTimeoutMs: number): number {
  const givenMs = isLongRunning(info) ? undefined : timeoutMs(query);
  return Math.min(givenMs ?? requestTimeoutMs, requestTimeoutMs) / 4;
}
