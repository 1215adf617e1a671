// Who may use the kubelet's port: client certificates of the cluster's CA and bearer tokens, judged by the API server.
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { cloneDeep } from '../../api/meta.ts';
import { authenticationV1, authorizationV1 } from '../../api/refs.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import { HttpError } from './http-error.ts';
import { neededAccess } from './kernel/access-rule.ts';

export interface KubeletUser {
  readonly username: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** As authentication and authorization of a KubeletConfiguration; times in milliseconds. */
export interface AccessSettings {
  /** Who shows nothing is let in as system:anonymous. Default false. */
  readonly anonymous?: boolean;
  /** Bearer tokens are reviewed. Default true. */
  readonly webhook?: boolean;
  readonly tokenMs?: number;
  /** Default Webhook: the API server is asked. */
  readonly authorize?: 'Webhook' | 'AlwaysAllow';
  readonly allowedMs?: number;
  readonly deniedMs?: number;
}

export interface KubeletAccessOptions extends AccessSettings {
  /** Of the node: may create token reviews and subject access reviews. */
  readonly client: Client;
  readonly nodeName: string;
  readonly clock: Clock;
}

// Kubernetes' defaults.
const tokenMs = 120_000;
const allowedMs = 300_000;
const deniedMs = 30_000;
const authenticated = 'system:authenticated';

export class KubeletAccess {
  readonly #o: KubeletAccessOptions;
  readonly #tokens: Remembered<KubeletUser | undefined>;
  readonly #decisions: Remembered<boolean>;

  constructor(options: KubeletAccessOptions) {
    this.#o = options;
    this.#tokens = new Remembered(options.clock);
    this.#decisions = new Remembered(options.clock);
  }

  /** Throws HttpError 401 or 403. */
  async check(request: IncomingMessage, path: string): Promise<KubeletUser> {
    const user = certificateUser(request.socket as TLSSocket) ?? (await this.#tokenUser(request)) ?? this.#anonymous();
    if (!user) throw new HttpError(401, 'Unauthorized');
    if (this.#o.authorize === 'AlwaysAllow') return user;
    const { verb, subresources } = neededAccess(request.method ?? '', path);
    for (const subresource of subresources) if (await this.#may(user, verb, subresource)) return user;
    throw new HttpError(
      403,
      `Forbidden (user=${user.username}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(' ')}])\n`,
    );
  }

  #anonymous(): KubeletUser | undefined {
    return this.#o.anonymous ? { username: 'system:anonymous', groups: ['system:unauthenticated'] } : undefined;
  }

  async #tokenUser(request: IncomingMessage): Promise<KubeletUser | undefined> {
    const token = /^bearer\s+(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token || this.#o.webhook === false) return undefined;
    return this.#tokens.get(
      token,
      async () => {
        const review = await this.#o.client.create(authenticationV1.tokenreviews, { spec: { token } });
        const { authenticated: known, user } = review.status ?? {};
        return known && user ? { username: '', groups: [], ...user } : undefined;
      },
      user => (user ? (this.#o.tokenMs ?? tokenMs) : 0),
    );
  }

  #may(user: KubeletUser, verb: string, subresource: string): Promise<boolean> {
    return this.#decisions.get(
      JSON.stringify([user, verb, subresource]),
      async () => {
        const review = await this.#o.client.create(authorizationV1.subjectaccessreviews, {
          spec: {
            user: user.username,
            ...(user.uid ? { uid: user.uid } : {}),
            groups: [...user.groups],
            ...(user.extra ? { extra: cloneDeep(user.extra) } : {}),
            resourceAttributes: {
              verb,
              group: '',
              version: 'v1',
              resource: 'nodes',
              subresource,
              name: this.#o.nodeName,
            },
          },
        });
        return review.status?.allowed === true;
      },
      allowed => (allowed ? (this.#o.allowedMs ?? allowedMs) : (this.#o.deniedMs ?? deniedMs)),
    );
  }
}

function certificateUser(socket: TLSSocket): KubeletUser | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  const username = [subject?.CN ?? []].flat()[0];
  if (!username) return undefined;
  // Several organizations come as a list.
  const groups = [(subject as { O?: string | string[] }).O ?? []].flat();
  return { username, groups: [...groups, authenticated] };
}

const maxRemembered = 10_000;

/** Answers kept for a while; a question asked twice at once is put once. Failures are not kept. */
class Remembered<T> {
  readonly #clock: Clock;
  readonly #known = new Map<string, { answer: Promise<T>; untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string, ask: () => Promise<T>, keepMs: (answer: T) => number): Promise<T> {
    const found = this.#known.get(key);
    if (found && found.untilMs > this.#clock.monotonic()) return found.answer;
    const entry = { answer: ask(), untilMs: Number.POSITIVE_INFINITY };
    if (this.#known.size >= maxRemembered) this.#known.clear();
    this.#known.set(key, entry);
    entry.answer.then(
      answer => {
        entry.untilMs = this.#clock.monotonic() + keepMs(answer);
      },
      () => {
        if (this.#known.get(key) === entry) this.#known.delete(key);
      },
    );
    return entry.answer;
  }
}
