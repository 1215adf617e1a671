// Audit: what was asked of the server, by whom, and what became of it.
import { gunzipSync } from 'node:zlib';
import { formatMicroTime } from '../../api/meta.ts';
import { internalError } from '../../api/status.ts';
import type { Event, Policy } from '../../api/type/audit-v1.ts';
import type { Status } from '../../api/type/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import type { UserInfo } from '../authn/user.ts';
import { constraintOf } from '../authz/impersonation.ts';
import { decodeYamlOrJson } from '../body-format.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import type { RequestInfo } from '../request-info.ts';
import { auditIdOf } from './audit-id.ts';
import { AuditedExchange } from './audited-exchange.ts';
import { includes, type Level, type Recording, recordingOf, type Stage } from './kernel/policy.ts';
import type { AuditSink } from './sink.ts';

export type { AuditSink };

export interface AuditorOptions {
  readonly policy: Policy;
  readonly sinks: readonly AuditSink[];
  readonly clock: Clock;
  readonly random: Random;
  readonly counts?: AuditCounts;
  /** Sinks that end with the auditor; others belong to whoever made them. */
  readonly closes?: readonly AuditSink[];
}

/** What was recorded and refused, for metrics. */
export interface AuditCounts {
  event(): void;
  level(level: Level): void;
  rejected(): void;
}

/** One request under audit. */
export interface Audited {
  /** To be used in place of the request's own. */
  readonly exchange: Exchange;
  /**
   * Who asks is known, and who it acts as. A promise when a sink has to be waited for; throws (or rejects with) 500
   * when a strict one could not take the event.
   */
  identify(info: RequestInfo, user: UserInfo, actsAs: UserInfo): void | Promise<void>;
  /** Nobody could tell who asks. */
  refuse(info: RequestInfo): void;
  /** A bug ended the request. */
  panic(error: unknown): void;
  /** The first value of a key stays. */
  annotate(key: string, value: string): void;
}

export class Auditor {
  readonly #options: AuditorOptions;

  constructor(options: AuditorOptions) {
    this.#options = options;
  }

  begin(exchange: Exchange): Audited {
    return new AuditedRequest(exchange, this.#options);
  }

  /** Of a call within the process; nothing when it is not to be recorded at all. */
  call(asked: Pick<Asked, 'requestURI' | 'userAgent'>, info: RequestInfo, user: UserInfo): AuditRecord | undefined {
    const { random, policy } = this.#options;
    const recording = recordingOf(policy, info, user);
    this.#options.counts?.level(recording.level);
    if (recording.level === 'None') return undefined;
    const record = new AuditRecord(this.#options, { ...asked, auditId: randomUuid(random), sourceIPs: ['127.0.0.1'] });
    record.identify(info, recording, user);
    return record;
  }

  async close(): Promise<void> {
    await Promise.all((this.#options.closes ?? []).map(s => s.close?.()));
  }
}

export interface Asked {
  readonly auditId: string;
  readonly requestURI: string;
  readonly userAgent: string | undefined;
  readonly sourceIPs: readonly string[];
}

interface Answer {
  readonly code: number;
  readonly status?: Status;
  readonly requestObject?: unknown;
  readonly responseObject?: unknown;
}

/** What the events of one request have in common. */
export class AuditRecord {
  readonly #options: AuditorOptions;
  readonly #asked: Asked;
  readonly #receivedMs: number;
  readonly #annotations: Record<string, string> = {};
  #recording: Recording | undefined;
  #info: RequestInfo | undefined;
  #user: UserInfo | undefined;
  #actsAs: UserInfo | undefined;

  constructor(options: AuditorOptions, asked: Asked) {
    this.#options = options;
    this.#asked = asked;
    this.#receivedMs = options.clock.now();
  }

  get info(): RequestInfo | undefined {
    return this.#info;
  }

  identify(info: RequestInfo, recording: Recording, user?: UserInfo, actsAs?: UserInfo): void {
    this.#info = info;
    this.#recording = recording;
    this.#user = user;
    this.#actsAs = actsAs === user ? undefined : actsAs;
  }

  annotate(key: string, value: string): void {
    this.#annotations[key] ??= value;
  }

  wants(level: Level): boolean {
    return this.#recording !== undefined && includes(this.#recording, level);
  }

  /** A promise when there are sinks to wait for; false when a strict one has lost the event. */
  emit(stage: Stage, answer?: Answer): boolean | Promise<boolean> {
    const recording = this.#recording;
    if (!recording || recording.level === 'None' || recording.omitStages.has(stage)) return true;
    const { sinks, counts } = this.#options;
    const event = this.#event(stage, recording, answer);
    counts?.event();
    let kept = true;
    let pending: Promise<boolean>[] | undefined;
    for (const sink of sinks) {
      const taken = sink.write(event);
      if (taken instanceof Promise) {
        pending ??= [];
        pending.push(sink.strict ? taken : taken.then(() => true));
      } else if (taken === false && sink.strict) kept = false;
    }
    return pending ? Promise.all(pending).then(all => kept && !all.includes(false)) : kept;
  }

  #event(stage: Stage, recording: Recording, answer: Answer | undefined): Event {
    const { auditId, requestURI, userAgent, sourceIPs } = this.#asked;
    const info = this.#info!;
    const requestObject = this.wants('Request') ? trimmed(answer?.requestObject, recording) : undefined;
    const responseObject = this.wants('RequestResponse') ? trimmed(answer?.responseObject, recording) : undefined;
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: recording.level,
      auditID: auditId,
      stage,
      requestURI,
      verb: info.verb,
      user: userOf(this.#user),
      ...(this.#actsAs ? impersonationOf(this.#actsAs) : {}),
      sourceIPs,
      ...(userAgent ? { userAgent } : {}),
      ...(info.isResource ? { objectRef: referenceOf(info, answer?.requestObject, responseObject) } : {}),
      ...(answer ? { responseStatus: answer.status ?? statusOf(answer.code, answer.responseObject) } : {}),
      ...(requestObject === undefined ? {} : { requestObject: requestObject as never }),
      ...(responseObject === undefined ? {} : { responseObject: responseObject as never }),
      requestReceivedTimestamp: formatMicroTime(this.#receivedMs),
      stageTimestamp: formatMicroTime(this.#options.clock.now()),
      ...(Object.keys(this.#annotations).length ? { annotations: { ...this.#annotations } } : {}),
    };
  }
}

function impersonationOf(actsAs: UserInfo): Partial<Event> {
  const constraint = constraintOf(actsAs);
  return {
    impersonatedUser: userOf(actsAs),
    ...(constraint ? { authenticationMetadata: { impersonationConstraint: constraint } } : {}),
  };
}

class AuditedRequest implements Audited {
  readonly exchange: AuditedExchange;
  readonly #options: AuditorOptions;
  readonly #record: AuditRecord;
  #unknown = false;
  #ended = false;

  constructor(exchange: Exchange, options: AuditorOptions) {
    this.#options = options;
    const auditId = auditIdOf(exchange, options.random);
    this.#record = new AuditRecord(options, {
      auditId,
      requestURI: exchange.uri,
      userAgent: exchange.headers['user-agent'],
      sourceIPs: sourcesOf(exchange),
    });
    this.exchange = new AuditedExchange(exchange, auditId, {
      recordsRequest: () => this.#record.wants(this.#namesObject() ? 'Metadata' : 'Request'),
      // A failure is told at every level.
      recordsResponse: code => this.#record.wants(code >= 400 ? 'Metadata' : 'RequestResponse') && !this.#lasts(),
      onStart: code => {
        if (this.#lasts()) void this.#record.emit('ResponseStarted', { code, requestObject: this.#requestObject() });
      },
      onEnd: code => this.#end(code),
    });
    // What was taken over by another protocol has no answer that ends.
    exchange.onClose(() => this.exchange.abandon(exchange.upgrade ? 101 : 0));
  }

  identify(info: RequestInfo, user: UserInfo, actsAs: UserInfo): void | Promise<void> {
    const recording = recordingOf(this.#options.policy, info, user);
    this.#options.counts?.level(recording.level);
    this.#record.identify(info, recording, user, actsAs);
    const kept = this.#record.emit('RequestReceived');
    if (kept instanceof Promise) return kept.then(all => this.#insist(all));
    this.#insist(kept);
  }

  #insist(kept: boolean): void {
    if (kept) return;
    this.#options.counts?.rejected();
    throw internalError(new Error('failed to store audit event'));
  }

  refuse(info: RequestInfo): void {
    if (this.#record.info) return;
    this.#unknown = true;
    this.#record.identify(info, recordingOf(this.#options.policy, info, undefined));
  }

  panic(error: unknown): void {
    const { info } = this.#record;
    if (!info || this.#ended) return;
    this.#ended = true;
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
    const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 } as Status;
    void this.#record.emit('Panic', { code: 500, status, requestObject: this.#requestObject() });
  }

  annotate(key: string, value: string): void {
    this.#record.annotate(key, value);
  }

  #end(code: number): boolean | Promise<boolean> {
    if (this.#ended || !this.#record.info) return true;
    this.#ended = true;
    if (this.#unknown) {
      const status = { metadata: {}, message: attempted(this.exchange), code } as Status;
      return this.#record.emit('ResponseStarted', { code, status });
    }
    return this.#record.emit('ResponseComplete', {
      code,
      requestObject: this.#requestObject(),
      responseObject: this.#responseObject(),
    });
  }

  /** Its body says which object it is about. */
  #namesObject(): boolean {
    const verb = this.#record.info?.verb;
    return verb === 'create' || verb === 'update';
  }

  #lasts(): boolean {
    const { info } = this.#record;
    return this.exchange.upgrade !== undefined || (info !== undefined && isLongRunning(info));
  }

  #requestObject(): unknown {
    const { requestBody, headers } = this.exchange;
    if (!requestBody?.length) return undefined;
    return decoded(requestBody, this.#record.info?.verb === 'patch' ? undefined : headers['content-type']);
  }

  #responseObject(): unknown {
    const { responseBody, responseType, responseEncoding } = this.exchange;
    if (!responseBody?.length) return undefined;
    const plain = responseEncoding === 'gzip' ? gunzipSync(responseBody) : responseBody;
    return decoded(plain, responseType);
  }
}

/** What a request was tried with that nobody could make a user of. */
function attempted({ headers, peer }: Exchange): string {
  const scheme = /^(\S+) /.exec(headers.authorization ?? '')?.[1]?.toLowerCase();
  const ways = [...(scheme === 'basic' || scheme === 'bearer' ? [scheme] : []), ...(peer.certificate ? ['x509'] : [])];
  return ways.length
    ? `Authentication failed, attempted: ${ways.join(', ')}`
    : 'Authentication failed, no credentials provided';
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
  // A patch is no object.
  const sent = info.verb === 'patch' ? undefined : (request as Named | undefined)?.metadata;
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
  const { kind, status, message, reason, details } = (response ?? {}) as {
    kind?: string;
    status?: string;
    message?: string;
    reason?: string;
    details?: object;
  };
  const said = kind === 'Status' ? { ...(status ? { status } : {}), message, reason, details } : {};
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
