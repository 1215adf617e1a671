// Audit: what was asked of the server, by whom, and what became of it.
import { gunzipSync } from 'node:zlib';
import { formatMicroTime } from '../../api/meta.ts';
import type { Event, Policy } from '../../api/type/audit-v1.ts';
import type { Status } from '../../api/type/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import type { UserInfo } from '../authn/user.ts';
import { decodeYamlOrJson } from '../body-format.ts';
import type { Exchange } from '../http/exchange.ts';
import { isTrue, type RequestInfo } from '../request-info.ts';
import { AuditedExchange } from './audited-exchange.ts';
import { includes, type Recording, recordingOf, type Stage } from './kernel/policy.ts';

export interface AuditSink {
  /** Takes one event; never throws. */
  write(event: Event): void;
}

export interface AuditorOptions {
  readonly policy: Policy;
  readonly sinks: readonly AuditSink[];
  readonly clock: Clock;
  readonly random: Random;
}

/** One request under audit. */
export interface Audited {
  /** To be used in place of the request's own. */
  readonly exchange: Exchange;
  /** Who asks is known, and who it acts as. */
  identify(info: RequestInfo, user: UserInfo, actsAs: UserInfo): void;
  /** Nobody could tell who asks. */
  refuse(info: RequestInfo): void;
  /** The first value of a key stays. */
  annotate(key: string, value: string): void;
}

const longest = 64;

export class Auditor {
  readonly #options: AuditorOptions;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  begin(exchange: Exchange): Audited {
    return new AuditedRequest(exchange, this.#options);
  }
}

class AuditedRequest implements Audited {
  readonly exchange: AuditedExchange;
  readonly #options: AuditorOptions;
  readonly #receivedMs: number;
  readonly #annotations: Record<string, string> = {};
  #recording: Recording | undefined;
  #info: RequestInfo | undefined;
  #user: UserInfo | undefined;
  #actsAs: UserInfo | undefined;
  #started = false;

  constructor(exchange: Exchange, options: AuditorOptions) {
    this.#options = options;
    this.#receivedMs = options.clock.now();
    const given = exchange.headers['audit-id'];
    const id = typeof given === 'string' && given && given.length <= longest ? given : randomUuid(options.random);
    this.exchange = new AuditedExchange(exchange, id, {
      recordsRequest: () => this.#wants('Request'),
      recordsResponse: () => this.#wants('RequestResponse') && !this.#isLongRunning(),
      onStart: code => {
        if (this.#isLongRunning()) {
          this.#started = true;
          this.#emit('ResponseStarted', code);
        }
      },
      onEnd: code => this.#emit('ResponseComplete', code),
    });
    // What was taken over by another protocol has no answer that ends.
    exchange.onClose(() => this.exchange.abandon(exchange.upgrade ? 101 : 0));
  }

  identify(info: RequestInfo, user: UserInfo, actsAs: UserInfo): void {
    this.#info = info;
    this.#user = user;
    this.#actsAs = actsAs === user ? undefined : actsAs;
    this.#recording = recordingOf(this.#options.policy, info, user);
    this.#emit('RequestReceived');
  }

  refuse(info: RequestInfo): void {
    if (this.#info) return;
    this.#info = info;
    this.#recording = recordingOf(this.#options.policy, info, undefined);
  }

  annotate(key: string, value: string): void {
    this.#annotations[key] ??= value;
  }

  #wants(level: 'Metadata' | 'Request' | 'RequestResponse'): boolean {
    return this.#recording !== undefined && includes(this.#recording, level);
  }

  #isLongRunning(): boolean {
    const { verb, subresource } = this.#info ?? { verb: '', subresource: '' };
    if (verb === 'watch' || this.exchange.upgrade) return true;
    if (subresource === 'log') return isTrue(this.exchange.query.get('follow'));
    return ['proxy', 'exec', 'attach', 'portforward'].includes(subresource);
  }

  #emit(stage: Stage, code?: number): void {
    const recording = this.#recording;
    if (!recording || recording.level === 'None' || recording.omitStages.has(stage)) return;
    for (const sink of this.#options.sinks) sink.write(this.#event(stage, recording, code));
  }

  #event(stage: Stage, recording: Recording, code: number | undefined): Event {
    const { exchange } = this;
    const nowMs = this.#options.clock.now();
    const agent = exchange.headers['user-agent'];
    const requestObject = stage === 'ResponseComplete' || this.#started ? this.#requestObject(recording) : undefined;
    const responseObject = stage === 'ResponseComplete' ? this.#responseObject(recording) : undefined;
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: recording.level,
      auditID: exchange.auditId,
      stage,
      requestURI: exchange.path + exchange.rawQuery,
      verb: this.#info!.verb,
      user: userOf(this.#user),
      ...(this.#actsAs ? { impersonatedUser: userOf(this.#actsAs) } : {}),
      sourceIPs: sourcesOf(exchange),
      ...(agent ? { userAgent: agent } : {}),
      ...(this.#info!.isResource ? { objectRef: referenceOf(this.#info!, requestObject, responseObject) } : {}),
      ...(code === undefined ? {} : { responseStatus: statusOf(code, responseObject) }),
      ...(requestObject === undefined ? {} : { requestObject: requestObject as never }),
      ...(responseObject === undefined ? {} : { responseObject: responseObject as never }),
      requestReceivedTimestamp: formatMicroTime(this.#receivedMs),
      stageTimestamp: formatMicroTime(nowMs),
      ...(Object.keys(this.#annotations).length ? { annotations: { ...this.#annotations } } : {}),
    };
  }

  #requestObject(recording: Recording): unknown {
    const { requestBody, headers } = this.exchange;
    if (!requestBody?.length || !includes(recording, 'Request')) return undefined;
    const type = this.#info!.verb === 'patch' ? undefined : headers['content-type'];
    return trimmed(decoded(requestBody, type), recording);
  }

  #responseObject(recording: Recording): unknown {
    const { responseBody, responseType, responseEncoding } = this.exchange;
    if (!responseBody?.length || !includes(recording, 'RequestResponse')) return undefined;
    const plain = responseEncoding === 'gzip' ? gunzipSync(responseBody) : responseBody;
    return trimmed(decoded(plain, responseType), recording);
  }
}

const userOf = (user: UserInfo | undefined) =>
  user
    ? {
        username: user.name,
        ...(user.uid ? { uid: user.uid } : {}),
        ...(user.groups.length ? { groups: user.groups } : {}),
        ...(user.extra ? { extra: user.extra } : {}),
      }
    : {};

/** As proxies in between tell it, then the connection itself. */
function sourcesOf({ headers, peer }: Exchange): string[] {
  const told = String(headers['x-forwarded-for'] ?? '')
    .split(',')
    .map(s => s.trim())
    .filter(Boolean);
  const real = headers['x-real-ip'];
  const all = [...told, ...(typeof real === 'string' && real ? [real] : []), peer.remoteAddress];
  return [...new Set(all.filter((s): s is string => Boolean(s)))];
}

interface Named {
  readonly metadata?: { readonly name?: string; readonly uid?: string; readonly resourceVersion?: string };
}

function referenceOf(info: RequestInfo, request: unknown, response: unknown) {
  const sent = (request as Named | undefined)?.metadata;
  const made = (response as Named | undefined)?.metadata;
  const name = info.name || sent?.name || (info.verb === 'create' ? made?.name : undefined);
  return {
    resource: info.resource,
    ...(info.namespace ? { namespace: info.namespace } : {}),
    ...(name ? { name } : {}),
    ...(sent?.uid ? { uid: sent.uid } : {}),
    ...(info.group ? { apiGroup: info.group } : {}),
    apiVersion: info.version,
    ...(sent?.resourceVersion ? { resourceVersion: sent.resourceVersion } : {}),
    ...(info.subresource ? { subresource: info.subresource } : {}),
  };
}

function statusOf(code: number, response: unknown): Status {
  const { kind, status, message, reason } = (response ?? {}) as {
    kind?: string;
    status?: string;
    message?: string;
    reason?: string;
  };
  const said = kind === 'Status' ? { ...(status ? { status } : {}), message, reason } : {};
  return JSON.parse(JSON.stringify({ metadata: {}, ...said, code })) as Status;
}

function decoded(body: Buffer, contentType: string | undefined): unknown {
  try {
    return decodeYamlOrJson(body, contentType).value;
  } catch {
    // What cannot be read is refused by others.
    return undefined;
  }
}

function trimmed(object: unknown, { omitManagedFields }: Recording): unknown {
  if (!omitManagedFields || typeof object !== 'object' || object === null) return object;
  const { metadata, items, ...rest } = object as { metadata?: { managedFields?: unknown }; items?: unknown };
  const { managedFields: _, ...kept } = metadata ?? {};
  return {
    ...rest,
    ...(metadata ? { metadata: kept } : {}),
    ...(Array.isArray(items) ? { items: items.map(i => trimmed(i, { omitManagedFields } as Recording)) } : {}),
  };
}
