import { parseTime } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import type { TokenRequest } from '../api/type/authentication-v1.ts';
import type { Pod, ServiceAccountTokenProjection } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Client } from '../client/client.ts';

interface Held {
  readonly token: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** From when on a new one is asked for. */
  readonly refreshAtMs: number;
}

const maxAgeMs = 24 * 3600_000;
const maxJitterMs = 10_000;
/** After a renewal that failed: whoever holds the token looks at it again when it says so. */
const retryMs = 60_000;

const keyPrefix = (podUid: string) => `${podUid}/`;

/** Service account tokens of pods, asked for once and again at 80 % of their life or after a day. */
export class TokenManager {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #held = new Map<string, Held>();
  /** Requests under way: who asks meanwhile gets the same token. */
  readonly #asking = new Map<string, Promise<Held>>();

  constructor(options: { client: Client; clock: Clock; random: Random; log: Log }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#log = options.log;
  }

  /** The token and when to ask again. A token that cannot be renewed is given on while it is valid. */
  async token(
    pod: Pod,
    source: ServiceAccountTokenProjection,
  ): Promise<{ token: string; refreshAtMs: number; expiresAtMs: number }> {
    const account = pod.spec.serviceAccountName || 'default';
    const audiences = source.audience ? [source.audience] : [];
    const seconds = Number(source.expirationSeconds ?? 3600);
    const key = keyPrefix(pod.metadata.uid) + JSON.stringify([account, audiences, seconds]);
    const held = this.#held.get(key);
    const now = this.#clock.now();
    if (held && now < held.refreshAtMs) return held;
    try {
      return await this.#ask(key, () => this.#request(pod, account, audiences, seconds));
    } catch (error) {
      if (!held || now >= held.expiresAtMs) throw error;
      this.#log.warn('renewing a service account token failed', { pod: pod.metadata.name, error });
      const kept = { ...held, refreshAtMs: Math.min(now + retryMs, held.expiresAtMs) };
      if (this.#held.get(key) === held) this.#held.set(key, kept);
      return kept;
    }
  }

  async #ask(key: string, request: () => Promise<Held>): Promise<Held> {
    const before = this.#asking.get(key);
    if (before) return before;
    // Not once the pod has been released: nobody would take away what came after.
    const isWanted = () => this.#asking.get(key) === asking;
    const asking = request()
      .then(fresh => {
        if (isWanted()) this.#held.set(key, fresh);
        return fresh;
      })
      .finally(() => {
        if (isWanted()) this.#asking.delete(key);
      });
    this.#asking.set(key, asking);
    return asking;
  }

  async #request(pod: Pod, account: string, audiences: readonly string[], seconds: number): Promise<Held> {
    const { namespace, name, uid } = pod.metadata;
    const body = {
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {},
      spec: {
        audiences,
        expirationSeconds: seconds,
        boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name, uid },
      },
    };
    const answer = await this.#client.createSubresource<TokenRequest>(
      coreV1.serviceaccounts,
      { namespace: namespace ?? '', name: account },
      'token',
      body,
    );
    const issuedAtMs = this.#clock.now();
    const expiresAtMs = parseTime(answer.status?.expirationTimestamp) ?? issuedAtMs + seconds * 1000;
    const life = expiresAtMs - issuedAtMs;
    const jitterMs = this.#random.next() * Math.min(maxJitterMs, life / 20);
    const refreshAtMs = issuedAtMs + Math.min(life * 0.8, maxAgeMs) - jitterMs;
    return { token: answer.status?.token ?? '', issuedAtMs, expiresAtMs, refreshAtMs };
  }

  release(podUid: string): void {
    const prefix = keyPrefix(podUid);
    for (const tokens of [this.#held, this.#asking])
      for (const key of tokens.keys()) if (key.startsWith(prefix)) tokens.delete(key);
  }
}
