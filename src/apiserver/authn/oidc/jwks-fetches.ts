// When issuers were last asked for their keys, and which keys they had: Kubernetes' metrics of it.
import type { Clock } from '../../../base/clock.ts';
import type { Metrics } from '../../../base/metrics.ts';
import { hashOf } from '../../configuration/followed-file.ts';

interface Fetches {
  readonly times: Map<'success' | 'failure', number>;
  keySetHash?: string;
}

const prefix = 'apiserver_authentication_jwt_authenticator_jwks_fetch_last';
const server = { apiserver_id_hash: hashOf('kube-apiserver') };

export class JwksFetches {
  readonly #clock: Clock;
  readonly #issuers = new Map<string, Fetches>();

  constructor(metrics: Metrics, clock: Clock) {
    this.#clock = clock;
    metrics.source(
      `${prefix}_timestamp_seconds`,
      'Timestamp of the last successful or failed JWKS fetch split by result, api server identity and jwt issuer.',
      'gauge',
      () =>
        this.#each((issuer, { times }) =>
          [...times].map(([result, value]) => ({ labels: { ...issuer, result }, value })),
        ),
    );
    metrics.source(
      `${prefix}_key_set_info`,
      'Information about the last JWKS fetched, with its hash as label, split by api server identity and jwt issuer.',
      'gauge',
      () => this.#each((issuer, { keySetHash: hash }) => (hash ? [{ labels: { ...issuer, hash }, value: 1 }] : [])),
    );
  }

  succeeded(issuer: string, keySet: string): void {
    const of = this.#of(issuer);
    of.times.set('success', this.#clock.now() / 1000);
    of.keySetHash = hashOf(keySet);
  }

  failed(issuer: string): void {
    this.#of(issuer).times.set('failure', this.#clock.now() / 1000);
  }

  /** Forgets all others. */
  keep(issuers: ReadonlySet<string>): void {
    for (const issuer of this.#issuers.keys()) if (!issuers.has(issuer)) this.#issuers.delete(issuer);
  }

  #of(issuer: string): Fetches {
    const found = this.#issuers.get(issuer) ?? { times: new Map() };
    this.#issuers.set(issuer, found);
    return found;
  }

  #each<T>(samples: (issuer: { jwt_issuer_hash: string; apiserver_id_hash: string }, fetches: Fetches) => T[]): T[] {
    return [...this.#issuers].flatMap(([issuer, f]) => samples({ ...server, jwt_issuer_hash: hashOf(issuer) }, f));
  }
}
