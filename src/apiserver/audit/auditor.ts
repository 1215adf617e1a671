// Audit: what was asked of the server, by whom, and what became of it.
import { gunzipSync } from 'node:zlib';
import { cloneDeep, formatMicroTime } from '../../api/meta.ts';
import { internalError } from '../../api/status.ts';
import type { Event, Policy } from '../../api/type/audit-v1.ts';
import type { Status } from '../../api/type/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { quote } from '../../base/quote.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import type { UserInfo } from '../authn/user.ts';
import { constraintOf } from '../authz/impersonation.ts';
import { decodeYamlOrJson } from '../body-format.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import { negotiate } from '../negotiation.ts';
import { PlainRefusal } from '../plain-refusal.ts';
import { selectedName } from '../request-attributes.ts';
import type { RequestInfo } from '../request-info.ts';
import { auditIdOf } from './audit-id.ts';
import { AuditedExchange } from './audited-exchange.ts';
import { latencies, type Spent } from './kernel/latency.ts';
import { includes, type Level, type Recording, recordingOf, type Stage } from './kernel/policy.ts';
import { sourceIps } from './kernel/source-ips.ts';
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
  readonly exchange: Exchange & { readonly auditId: string };
  /**
   * Who asks is known. A promise when a sink has to be waited for; throws (or rejects with) 500 when a strict one could
   * not take the event.
   */
  identify(info: RequestInfo, user: UserInfo): void | Promise<void>;
  /** Who it acts as: told from then on. */
  actsAs(user: UserInfo): void;
  /** Nobody could tell who asks. */
  refuse(info: RequestInfo): void;
  /** What was sent, once it is understood; asked for when it is recorded, and copied at once. */
  sent(object: () => unknown): void;
  /** Another server answers: what it says is not looked into. */
  passOn(): void;
  /** What the time went to, asked for at the end. */
  spent(times: () => Omit<Spent, 'totalMs'>): void;
  /** Nothing more is done for it; `code`: what became of it, if nobody was there to be told. */
  finish(code: number): void;
  /** A bug ended the request. */
  panic(error: unknown): void;
  /** The first value of a key stays. `level`: only where as much as that is recorded. */
  annotate(key: string, value: string, level?: Level): void;
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
  readonly responseObject?: unknown;
}

interface Named {
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
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
  /** Of the object that was sent. */
  #named: Named['metadata'] | undefined;
  #requestObject: unknown;

  constructor(options: AuditorOptions, asked: Asked) {
    this.#options = options;
    this.#asked = asked;
    this.#receivedMs = options.clock.now();
  }

  get info(): RequestInfo | undefined {
    return this.#info;
  }

  identify(info: RequestInfo, recording: Recording, user?: UserInfo): void {
    this.#info = info;
    this.#recording = recording;
    this.#user = user;
  }

  actsAs(user: UserInfo): void {
    this.#actsAs = user === this.#user ? undefined : user;
  }

  sent(object: () => unknown): void {
    const verb = this.#info?.verb;
    const isNamed = verb === 'create' || verb === 'update';
    if (!this.#recording || !this.wants(isNamed ? 'Metadata' : 'Request')) return;
    const sent = object();
    if (isNamed) this.#named = { ...(sent as Named).metadata };
    if (this.wants('Request')) this.#requestObject = trimmed(cloneDeep(sent), this.#recording);
  }

  get receivedMs(): number {
    return this.#receivedMs;
  }

  annotate(key: string, value: string, level: Level = 'Metadata'): void {
    if (level === 'Metadata' || this.wants(level)) this.#annotations[key] ??= value;
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
    const requestObject = answer && this.#requestObject;
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
      ...(info.isResource ? { objectRef: referenceOf(info, answer && this.#named) } : {}),
      ...(answer ? { responseStatus: answer.status ?? statusOf(answer.code, answer.responseObject) } : {}),
      ...(requestObject === undefined ? {} : { requestObject: requestObject as never }),
      ...(responseObject === undefined ? {} : { responseObject: responseObject as never }),
      requestReceivedTimestamp: formatMicroTime(this.#receivedMs),
      stageTimestamp: formatMicroTime(this.#options.clock.now()),
      ...(Object.keys(this.#annotations).length ? { annotations: sorted(this.#annotations) } : {}),
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

const offered = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'] as const;

/** Discovery, besides the answers about resources. */
const described = /^\/apis?(\/[^/]+){0,2}\/?$/;

class AuditedRequest implements Audited {
  readonly exchange: AuditedExchange;
  readonly #options: AuditorOptions;
  readonly #record: AuditRecord;
  #unknown = false;
  #ended = false;
  #passedOn = false;
  #spent: (() => Omit<Spent, 'totalMs'>) | undefined;
  /** Of an answer that went out before anybody knew who asks. */
  #early = 0;

  constructor(exchange: Exchange, options: AuditorOptions) {
    this.#options = options;
    const auditId = auditIdOf(exchange, options.random);
    this.#record = new AuditRecord(options, {
      auditId,
      requestURI: exchange.uri,
      userAgent: agentOf(exchange),
      sourceIPs: sourcesOf(exchange),
    });
    this.exchange = new AuditedExchange(exchange, auditId, {
      recordsResponse: (code, atOnce) => (atOnce || !this.#lasts()) && this.#recordsResponse(code),
      onStart: code => {
        if (this.#lasts()) void this.#record.emit('ResponseStarted', { code });
      },
      onEnd: (code, atOnce) => this.#end(code, atOnce),
    });
    // What was taken over by another protocol has no answer that ends. Without an answer what was asked goes on.
    exchange.onClose(() => {
      const code = exchange.upgrade ? 101 : exchange.sentCode;
      if (code > 0) this.exchange.abandon(code);
    });
  }

  finish(code: number): void {
    if (this.exchange.sentCode === 0) this.exchange.abandon(code);
  }

  identify(info: RequestInfo, user: UserInfo): void | Promise<void> {
    const named = { ...info, name: selectedName(info, this.exchange.query) };
    const recording = recordingOf(this.#options.policy, named, user);
    this.#options.counts?.level(recording.level);
    this.#record.identify(named, recording, user);
    const kept = this.#record.emit('RequestReceived');
    if (this.#early) this.#end(this.#early, false);
    if (kept instanceof Promise) return kept.then(all => this.#insist(all));
    this.#insist(kept);
  }

  actsAs(user: UserInfo): void {
    this.#record.actsAs(user);
  }

  #insist(kept: boolean): void {
    if (kept) return;
    this.#options.counts?.rejected();
    const why = 'failed to store audit event';
    const text = `Internal Server Error: ${quote(this.exchange.uri)}: ${why}\n`;
    throw new PlainRefusal(internalError(new Error(why)), text);
  }

  refuse(info: RequestInfo): void {
    if (this.#record.info) return;
    this.#unknown = true;
    this.#record.identify(info, recordingOf(this.#options.policy, info, undefined));
  }

  sent(object: () => unknown): void {
    this.#record.sent(object);
  }

  passOn(): void {
    this.#passedOn = true;
  }

  spent(times: () => Omit<Spent, 'totalMs'>): void {
    this.#spent = times;
  }

  panic(error: unknown): void {
    const { info } = this.#record;
    if (!info || this.#ended) return;
    this.#ended = true;
    const message = `APIServer panic'd: ${error instanceof Error ? error.message : String(error)}`;
    const status = { metadata: {}, status: 'Failure', message, reason: 'InternalError', code: 500 } as Status;
    void this.#record.emit('Panic', { code: 500, status });
  }

  annotate(key: string, value: string, level?: Level): void {
    this.#record.annotate(key, value, level);
  }

  /** A Status is told at every level; that nothing could be said in a form the client takes is not. */
  #recordsResponse(code: number): boolean {
    const { info } = this.#record;
    if (!info || this.#passedOn || (code === 406 && !takesStatus(this.exchange))) return false;
    const { verb, resource, subresource } = info;
    const toldByStatus = verb === 'delete' || (verb === 'create' && (subresource !== '' || resource === 'bindings'));
    if (code >= 400 || toldByStatus) return this.#record.wants('Metadata');
    return this.#record.wants('RequestResponse') && (info.isResource || described.test(info.path));
  }

  #end(code: number, atOnce: boolean): boolean | Promise<boolean> {
    if (this.#ended) return true;
    if (!this.#record.info) {
      this.#early = code;
      return true;
    }
    this.#ended = true;
    const answer = { code, responseObject: this.#responseObject() };
    if (this.#unknown) return this.#record.emit('ResponseStarted', answer);
    if (!this.#lasts()) this.#tellLatency();
    else if (atOnce) void this.#record.emit('ResponseStarted', answer);
    return this.#record.emit('ResponseComplete', answer);
  }

  #tellLatency(): void {
    const totalMs = this.#options.clock.now() - this.#record.receivedMs;
    for (const [key, value] of Object.entries(latencies({ totalMs, ...this.#spent?.() })))
      this.#record.annotate(key, value);
  }

  #lasts(): boolean {
    const { info } = this.#record;
    return this.exchange.upgrade !== undefined || (info !== undefined && isLongRunning(info));
  }

  #responseObject(): unknown {
    const { responseBody, responseType, responseEncoding } = this.exchange;
    if (!responseBody?.length) return undefined;
    const plain = responseEncoding === 'gzip' ? gunzipSync(responseBody) : responseBody;
    return decoded(plain, responseType);
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

/** Whether the client takes a Status in any form. */
function takesStatus({ headers }: Exchange): boolean {
  try {
    return Boolean(negotiate(headers.accept, { offered }));
  } catch {
    return false;
  }
}

const longestAgent = 1024;

/** Node reads a header's bytes one by one. */
function agentOf({ headers }: Exchange): string | undefined {
  const given = headers['user-agent'];
  if (!given) return undefined;
  const bytes = Buffer.from(given, 'latin1');
  return bytes.length > longestAgent
    ? `${bytes.toString('utf8', 0, longestAgent)}...TRUNCATED`
    : bytes.toString('utf8');
}

const headerOf = (value: string | readonly string[] | undefined) => (typeof value === 'string' ? value : '');

const sourcesOf = ({ headers, peer }: Exchange): string[] =>
  sourceIps(headerOf(headers['x-forwarded-for']), headerOf(headers['x-real-ip']), peer.remoteAddress ?? '');

const sorted = (annotations: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)));

/** `sent`: of the object in the request. */
function referenceOf(info: RequestInfo, sent: Named['metadata']) {
  const namespace = info.namespace || sent?.namespace;
  const name = info.name || sent?.name;
  return {
    resource: info.resource,
    ...(namespace ? { namespace } : {}),
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

/** Without the managed fields of the object, of those in a list and of those behind a table's rows. */
function trimmed(value: unknown, recording: Recording): unknown {
  if (!recording.omitManagedFields || typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const object = value as Readonly<Record<string, unknown>>;
  const { metadata, items, rows } = object as { metadata?: object; items?: unknown; rows?: unknown };
  const each = (list: unknown, trim: (item: object) => unknown) => (Array.isArray(list) ? list.map(trim) : list);
  return {
    ...object,
    ...(metadata ? { metadata: withoutManagers(metadata) } : {}),
    ...('items' in object ? { items: each(items, item => trimmed(item, recording)) } : {}),
    ...('rows' in object
      ? { rows: each(rows, row => ({ ...row, object: trimmed((row as { object?: unknown }).object, recording) })) }
      : {}),
  };
}

function withoutManagers(metadata: object): object {
  const { managedFields: _, ...rest } = metadata as { managedFields?: unknown };
  return rest;
}
