// Attempts to authenticate, by Kubernetes' names. Counted in place: every request passes here.
import { BucketCounts, bucketSamples } from '../../base/bucket-counts.ts';
import type { Clock } from '../../base/clock.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';
import { filterSeconds } from '../observe/filter-seconds.ts';
import { CredentialError, type UserInfo } from './user.ts';

/** Someone, nobody, a credential that was refused. */
const results = ['success', 'failure', 'error'] as const;
type Result = (typeof results)[number];

const buckets = exponentialBuckets(0.001, 2, 15);

/** Names that may be told without telling who somebody is. */
const known = new Set(['admin', 'client', 'kube_proxy', 'kubelet', 'system:serviceaccount:kube-system:default']);

function labelOf(name: string): string {
  if (known.has(name)) return name;
  return name.includes('@') ? 'email_id' : 'other';
}

export class AuthenticationMetrics {
  readonly #clock: Clock;
  readonly #seconds = new Map<Result, BucketCounts>(results.map(r => [r, new BucketCounts(buckets)]));
  readonly #filter: BucketCounts;
  readonly #users = new Map<string, number>();
  readonly #labels = new WeakMap<UserInfo, string>();

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    this.#filter = filterSeconds(metrics, 'authentication');
    const counts = () =>
      [...this.#seconds].map(([result, { counts: each }]) => ({
        labels: { result },
        value: each.reduce((sum, count) => sum + count, 0),
      }));
    metrics.source('authentication_attempts', '[ALPHA] Counter of authenticated attempts.', 'counter', counts);
    metrics.source(
      'authentication_duration_seconds',
      '[ALPHA] Authentication duration in seconds broken out by result.',
      'histogram',
      () =>
        [...this.#seconds].flatMap(([result, seconds]) =>
          bucketSamples('authentication_duration_seconds', { result }, seconds),
        ),
    );
    metrics.source(
      'authenticated_user_requests',
      '[ALPHA] Counter of authenticated requests broken out by username.',
      'counter',
      () => [...this.#users].map(([username, value]) => ({ labels: { username }, value })),
    );
  }

  /** Runs an attempt and counts what comes of it. */
  measure(attempt: () => UserInfo | Promise<UserInfo>): UserInfo | Promise<UserInfo> {
    const startMs = this.#clock.monotonic();
    try {
      const answer = attempt();
      if (!(answer instanceof Promise)) return this.#succeeded(answer, startMs);
      return answer.then(
        user => this.#succeeded(user, startMs),
        error => Promise.reject(this.#failed(error, startMs)),
      );
    } catch (error) {
      throw this.#failed(error, startMs);
    }
  }

  #succeeded(user: UserInfo, startMs: number): UserInfo {
    this.#count('success', startMs);
    let label = this.#labels.get(user);
    if (label === undefined) {
      label = labelOf(user.name);
      this.#labels.set(user, label);
    }
    this.#users.set(label, (this.#users.get(label) ?? 0) + 1);
    return user;
  }

  #failed(error: unknown, startMs: number): unknown {
    const refused = error instanceof Error && error.cause instanceof CredentialError;
    this.#count(refused ? 'error' : 'failure', startMs);
    return error;
  }

  #count(result: Result, startMs: number): void {
    const seconds = (this.#clock.monotonic() - startMs) / 1000;
    this.#seconds.get(result)!.observe(seconds);
    this.#filter.observe(seconds);
  }
}

const hour = 3600;
const day = 24 * hour;

/** Where the remaining lifetimes of clients' certificates are counted, in seconds. */
export function certificateLifetimes(metrics: Metrics): BucketCounts {
  const name = 'apiserver_client_certificate_expiration_seconds';
  const bounds = [0, 1800, hour, 2 * hour, 6 * hour, 12 * hour, ...[1, 2, 4, 7, 30, 90, 180, 360].map(n => n * day)];
  const counts = new BucketCounts(bounds);
  metrics.source(
    name,
    '[ALPHA] Distribution of the remaining lifetime on the certificate used to authenticate a request.',
    'histogram',
    () => bucketSamples(name, {}, counts),
  );
  return counts;
}

const cacheBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Of the cache of tokens that somebody else has to be asked about. */
export class TokenCacheCounts {
  readonly #clock: Clock;
  readonly #requests = { hit: 0, miss: 0 };
  readonly #fetches = { ok: 0, error: 0 };
  readonly #seconds = { hit: new BucketCounts(cacheBuckets), miss: new BucketCounts(cacheBuckets) };

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    const name = (what: string) => `authentication_token_cache_${what}`;
    const told = (counts: Readonly<Record<string, number>>) => () =>
      Object.entries(counts).map(([status, value]) => ({ labels: { status }, value }));
    metrics.source(
      name('request_total'),
      '[ALPHA] Requests for tokens, by whether they were known.',
      'counter',
      told(this.#requests),
    );
    metrics.source(
      name('fetch_total'),
      '[ALPHA] Reviews of tokens, by what came of them.',
      'counter',
      told(this.#fetches),
    );
    const seconds = name('request_duration_seconds');
    metrics.source(seconds, '[ALPHA] Time to look a token up.', 'histogram', () =>
      Object.entries(this.#seconds).flatMap(([status, counts]) => bucketSamples(seconds, { status }, counts)),
    );
  }

  asked(hit: boolean, answer: Promise<unknown>, startMs: number): void {
    const status = hit ? 'hit' : 'miss';
    this.#requests[status]++;
    const done = (fetched: 'ok' | 'error') => {
      this.#seconds[status].observe((this.#clock.monotonic() - startMs) / 1000);
      if (!hit) this.#fetches[fetched]++;
    };
    answer.then(
      () => done('ok'),
      () => done('error'),
    );
  }
}
