// One of several identical processes leads, by holding a Lease; as Kubernetes' leader election works.
import { cloneDeep, formatMicroTime } from '../api/meta.ts';
import { coordinationV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { Lease, LeaseSpec } from '../api/type/coordination-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Client } from './client.ts';
import type { EventRecorder } from './event-recorder.ts';
import { orAborted } from './shared-informer.ts';

export interface LeaderElectionOptions {
  client: Client;
  /** The Lease. Namespace default: kube-system. */
  name: string;
  namespace?: string;
  /** Unique among the candidates: host name and a random suffix. */
  identity: string;
  clock: Clock;
  random: Random;
  log: Log;
  events?: EventRecorder;
  metrics?: Metrics;
  /** How long others wait after the last renewal they have seen. Default 15 s. */
  leaseDurationMs?: number;
  /** How long the leader tries to renew before it gives up. Default 10 s. */
  renewDeadlineMs?: number;
  /** Between attempts. Default 2 s. */
  retryPeriodMs?: number;
  /** Called with each identity seen to lead. */
  onNewLeader?: (identity: string) => void;
}

export class LeadershipLostError extends Error {
  override name = 'LeadershipLostError';
}

const shortestTimeoutMs = 1000;
// Candidates spread their attempts over 2.2 periods.
const jitter = 1.2;

/**
 * Waits to lead, then calls `lead` with a signal that aborts when leadership ends. Resolves when `lead` has ended, or the
 * signal aborted, having given the lease back; rejects with LeadershipLostError when it could not be renewed in time
 * (after `lead` has ended), or with what `lead` rejected with.
 */
export async function runAsLeader(
  options: LeaderElectionOptions,
  signal: AbortSignal,
  lead: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const elector = new Elector(options);
  const master = options.metrics?.gauge(
    'leader_election_master_status',
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' is the string used to identify the lease. Please make sure to group by name.",
    ['name'],
  );
  master?.set({ name: options.name }, 0);
  try {
    await elector.acquire(signal);
  } catch (error) {
    if (signal.aborted) return;
    throw error;
  }
  const term = new AbortController();
  const inner = AbortSignal.any([signal, term.signal]);
  master?.set({ name: options.name }, 1);
  const leading = lead(inner).finally(() => term.abort());
  const lost = await elector.renew(inner).then(
    () => undefined,
    error => error as Error,
  );
  term.abort(lost);
  try {
    await leading;
  } catch (error) {
    if (!lost && !signal.aborted) throw error;
  } finally {
    master?.set({ name: options.name }, 0);
    if (!lost) await elector.release();
  }
  if (lost) throw lost;
}

class Elector {
  readonly #o: Required<Omit<LeaderElectionOptions, 'events' | 'metrics' | 'onNewLeader'>> &
    Pick<LeaderElectionOptions, 'events' | 'onNewLeader'>;
  #lease: Lease | undefined;
  /** When this process saw the lease change last: other clocks are not trusted. */
  #observedMs = Number.NEGATIVE_INFINITY;
  #reported = '';
  #failure: string | undefined;
  /** The attempt under way, which may outlive the patience of who asked for it. */
  #attempting: Promise<unknown> = Promise.resolve();

  constructor(options: LeaderElectionOptions) {
    this.#o = {
      namespace: 'kube-system',
      leaseDurationMs: 15_000,
      renewDeadlineMs: 10_000,
      retryPeriodMs: 2_000,
      ...options,
    };
  }

  get #leading(): boolean {
    return this.#lease?.spec?.holderIdentity === this.#o.identity;
  }

  async acquire(signal: AbortSignal): Promise<void> {
    const { log, name, namespace, clock, random, retryPeriodMs } = this.#o;
    log.info('attempting to acquire leader lease', { lease: `${namespace}/${name}` });
    while (!(await this.#attemptWithin(Number.POSITIVE_INFINITY, signal)))
      await clock.sleep(retryPeriodMs * (1 + random.next() * jitter), signal);
    log.info('successfully acquired lease', { lease: `${namespace}/${name}` });
    this.#event('became leader');
  }

  /** Until the signal aborts; rejects when a renewal, tried again and again, has not succeeded within the deadline. */
  async renew(signal: AbortSignal): Promise<void> {
    const { clock, retryPeriodMs, renewDeadlineMs, namespace, name } = this.#o;
    let deadlineMs = 0;
    for (let renewed = true; !signal.aborted; ) {
      const leftMs = deadlineMs - clock.monotonic();
      await clock.sleep(renewed ? retryPeriodMs : Math.min(retryPeriodMs, leftMs), signal).catch(() => {});
      if (signal.aborted) return;
      const now = clock.monotonic();
      if (renewed) deadlineMs = now + renewDeadlineMs;
      else if (now >= deadlineMs) {
        this.#event('stopped leading');
        throw new LeadershipLostError(
          `failed to renew lease ${namespace}/${name}: timed out waiting for the condition`,
        );
      }
      renewed = await this.#attemptWithin(deadlineMs - now, signal);
    }
  }

  /** Lets the others take over at once. */
  async release(): Promise<void> {
    const { client, clock, log } = this.#o;
    await this.#attempting;
    if (!this.#leading || !this.#lease) return;
    const now = formatMicroTime(clock.now());
    const spec: LeaseSpec = {
      ...this.#lease.spec,
      holderIdentity: '',
      leaseDurationSeconds: 1,
      acquireTime: now,
      renewTime: now,
    };
    try {
      this.#observe(await client.update<Lease>(coordinationV1.leases, cloneDeep({ ...this.#lease, spec })));
      this.#event('stopped leading');
    } catch (error) {
      log.warn('failed to release lock', { error: messageOf(error) });
    }
  }

  /** A request that stays without an answer leaves time for another: half of what a renewal has, as client-go's. */
  async #attemptWithin(ms: number, signal: AbortSignal): Promise<boolean> {
    const timeout = new AbortController();
    const longestMs = Math.max(shortestTimeoutMs, this.#o.renewDeadlineMs / 2);
    const timer = this.#o.clock.after(Math.min(ms, longestMs), () => timeout.abort());
    try {
      return await this.#attempt(AbortSignal.any([signal, timeout.signal]));
    } catch {
      if (!signal.aborted) this.#failed('no answer in time');
      return false;
    } finally {
      timer.cancel();
    }
  }

  /** One try to take or renew; false for any failure. Rejects only when aborted. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    try {
      const attempt = this.#acquireOrRenew();
      this.#attempting = attempt.catch(() => {});
      const held = await orAborted(attempt, signal);
      this.#failure = undefined;
      return held;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#failed(messageOf(error));
      return false;
    }
  }

  /** What keeps failing for one cause is told once. */
  #failed(error: string): void {
    const { log, namespace, name } = this.#o;
    const level = error === this.#failure ? 'debug' : 'warn';
    log[level]('failed to acquire or renew lease', { lease: `${namespace}/${name}`, error });
    this.#failure = error;
  }

  async #acquireOrRenew(): Promise<boolean> {
    const { client, namespace, name, clock } = this.#o;
    if (this.#leading && this.#valid(this.#lease!)) {
      // Nobody else can have it: spare the read.
      const renewed = await this.#write(this.#lease!).catch(() => undefined);
      if (renewed) return true;
    }
    let lease: Lease;
    try {
      lease = await client.get<Lease>(coordinationV1.leases, { namespace, name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const created = await client.create<Lease>(coordinationV1.leases, {
        metadata: { namespace, name },
        spec: this.#spec(undefined, formatMicroTime(clock.now())),
      });
      this.#observe(created);
      return true;
    }
    this.#observe(lease);
    if (lease.spec?.holderIdentity && !this.#leading && this.#valid(lease)) return false;
    await this.#write(lease);
    return true;
  }

  async #write(lease: Lease): Promise<Lease> {
    const spec = this.#spec(lease.spec, formatMicroTime(this.#o.clock.now()));
    const written = await this.#o.client.update<Lease>(coordinationV1.leases, cloneDeep({ ...lease, spec }));
    this.#observe(written);
    return written;
  }

  #spec(old: LeaseSpec | undefined, now: string): LeaseSpec {
    const { identity, leaseDurationMs } = this.#o;
    const mine = old?.holderIdentity === identity;
    return {
      ...old,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: (mine && old?.acquireTime) || now,
      renewTime: now,
      leaseTransitions: old ? (old.leaseTransitions ?? 0) + (mine ? 0 : 1) : 0,
    };
  }

  #valid(lease: Lease): boolean {
    const seconds = lease.spec?.leaseDurationSeconds;
    const durationMs = seconds ? seconds * 1000 : this.#o.leaseDurationMs;
    return this.#observedMs + durationMs > this.#o.clock.monotonic();
  }

  #observe(lease: Lease): void {
    if (lease.metadata.resourceVersion !== this.#lease?.metadata.resourceVersion)
      this.#observedMs = this.#o.clock.monotonic();
    this.#lease = lease;
    const holder = lease.spec?.holderIdentity ?? '';
    if (holder === this.#reported) return;
    this.#reported = holder;
    if (holder) this.#o.onNewLeader?.(holder);
  }

  #event(what: string): void {
    if (this.#lease) this.#o.events?.event(this.#lease, 'Normal', 'LeaderElection', `${this.#o.identity} ${what}`);
  }
}
