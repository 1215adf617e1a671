import type { Draft, KubeList, KubeObject, ObjectKey } from '../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../api/ref.ts';
import type { Status } from '../api/type/meta-v1.ts';
import { messageOf } from '../base/assert.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Dial } from '../base/http/dial.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import { parseExactJson } from '../base/whole-number.ts';
import type {
  Client,
  DeleteOptions,
  GetOptions,
  ListOptions,
  Patch,
  PatchOptions,
  WatchHandle,
  WatchHandler,
  WatchOptions,
  WriteOptions,
} from './client.ts';
import { type Asked, errorFromResponse, retryAfter } from './http-status.ts';
import { HttpTransport } from './http-transport.ts';
import { HttpWatch } from './http-watch.ts';
import {
  deleteBody,
  keyPath,
  listQuery,
  patchTypes,
  pathOf,
  type Query,
  watchQuery,
  withQuery,
  writeQuery,
} from './request.ts';
import { type RestClientMetrics, restClientMetrics } from './rest-client-metrics.ts';
import type { TlsMaterial } from './tls-files.ts';
import { NotSentError, type RequestHeaders } from './transport.ts';

export interface HttpClientOptions {
  server: string;
  /** PEM. */
  ca?: string;
  cert?: string;
  key?: string;
  /** Gives the three as they are now, where they may change; connections that come are made with that. */
  tls?: () => TlsMaterial;
  /** A function is told, once, which of its tokens the server did not accept. */
  token?: string | ((refused?: string) => string | Promise<string>);
  /** HTTP basic authentication, for proxies in front of a server; a token counts before it. */
  basic?: { username: string; password: string };
  insecureSkipTlsVerify?: boolean;
  /** Name the server's certificate must have, when it is not the server's host. */
  serverName?: string;
  /** Who makes the connections; default: this machine. */
  dial?: Dial;
  /** Act as this user, where the server allows it. */
  impersonate?: { user: string; uid?: string; groups?: readonly string[] };
  /** More headers of every request. */
  headers?: Readonly<Record<string, string | readonly string[]>>;
  userAgent?: string;
  /** For a request without an answer, of a watch for its beginning. Default 60 s. */
  requestTimeoutMs?: number;
  /** For time-outs of the network: the machine's, also where all else runs on a virtual one. */
  clock?: Clock;
  log?: Log;
  /** Where requests are counted. */
  metrics?: Metrics;
  contentType?: 'application/json';
}

export interface HttpConnection extends Client {
  /** For all who share it through `as`. */
  close(): void;
  /** Gives up connections that may be dead, with what waits on them; the next request makes others. */
  reconnect(): void;
}

/** A client over HTTPS, one HTTP/2 connection, made when first needed and again when lost. */
export function httpClient(options: HttpClientOptions): HttpConnection {
  const clock = options.clock ?? systemClock;
  const transport = new HttpTransport({ ...options, clock });
  const { log = silentLog, metrics } = options;
  const counts = metrics && { host: new URL(options.server).host, to: restClientMetrics(metrics) };
  const connection: Connection = { options, transport, clock, log, counts };
  return new HttpClient(connection, options.userAgent ?? 'k8ts');
}

interface Connection {
  readonly options: HttpClientOptions;
  readonly transport: HttpTransport;
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: { readonly host: string; readonly to: RestClientMetrics } | undefined;
  /** Given last, and not accepted. */
  token?: string;
  refused?: string | undefined;
}

interface Call extends Asked {
  readonly method: string;
  readonly path: string;
  readonly query?: Query;
  readonly body?: unknown;
  readonly contentType?: string;
  /** The answer may be a text. */
  readonly text?: boolean;
}

interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfterSeconds: number;
  readonly body: string;
}

const defaultTimeoutMs = 60_000;
// What the end of a watch may take longer than it was asked to last.
const graceMs = 60_000;
// How often a request is sent again because the server asked to come back later.
const maxRetries = 10;

/** No answer. `again`: it may be sent once more without doing anything twice. */
class RequestError extends Error {
  readonly again: boolean;

  constructor(message: string, again: boolean, options: ErrorOptions) {
    super(message, options);
    this.again = again;
  }
}

class HttpClient implements HttpConnection {
  readonly #c: Connection;
  readonly #userAgent: string;

  constructor(connection: Connection, userAgent: string) {
    this.#c = connection;
    this.#userAgent = userAgent;
  }

  close(): void {
    this.#c.transport.close();
  }

  reconnect(): void {
    this.#c.transport.reconnect();
  }

  as(identity: { userAgent: string; serviceAccount?: string }): HttpClient {
    return new HttpClient(this.#c, identity.userAgent);
  }

  get<T extends KubeObject>(resource: ResourceRef<T>, key: ObjectKey, options: GetOptions = {}): Promise<T> {
    const query = { resourceVersion: options.resourceVersion };
    return this.#object(resource, key, { method: 'GET', verb: 'get', query });
  }

  async list<T extends KubeObject>(resource: ResourceRef<T>, options: ListOptions = {}): Promise<KubeList<T>> {
    const list = await this.#json<KubeList<T>>({
      method: 'GET',
      verb: 'get',
      path: pathOf(resource, options.namespace),
      query: listQuery(options),
      group: resource.group,
      resource: resource.resource,
    });
    return { ...list, items: withKind(list.items ?? [], resource) };
  }

  create<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options: WriteOptions = {}): Promise<T> {
    const { metadata } = object as Draft<KubeObject>;
    return this.#json({
      method: 'POST',
      verb: 'post',
      path: pathOf(resource, metadata?.namespace),
      query: writeQuery(options),
      body: complete(resource, object),
      group: resource.group,
      resource: resource.resource,
      name: metadata?.name,
    });
  }

  update<T extends KubeObject>(resource: ResourceRef<T>, object: Draft<T>, options: WriteOptions = {}): Promise<T> {
    return this.#put(resource, object, undefined, options);
  }

  updateStatus<T extends KubeObject>(
    resource: ResourceRef<T>,
    object: Draft<T>,
    options: WriteOptions = {},
  ): Promise<T> {
    return this.#put(resource, object, 'status', options);
  }

  async #put<T>(resource: ResourceRef<T>, object: Draft<T>, sub: string | undefined, o: WriteOptions): Promise<T> {
    const { metadata } = object as Draft<KubeObject>;
    const key = { namespace: metadata?.namespace, name: metadata?.name ?? '' } as ObjectKey;
    const body = complete(resource, object);
    return this.#object(resource, key, { method: 'PUT', verb: 'put', query: writeQuery(o), body }, sub);
  }

  async patch<T extends KubeObject>(
    resource: ResourceRef<T>,
    key: ObjectKey,
    patch: Patch,
    options: PatchOptions = {},
  ): Promise<T> {
    const query = writeQuery(options);
    if (patch.type === 'apply') {
      query.force = patch.force ? 'true' : undefined;
      query.fieldManager ??= this.#userAgent.split('/')[0];
    }
    const call = { method: 'PATCH', verb: 'patch', query, body: patch.body, contentType: patchTypes[patch.type] };
    return this.#object(resource, key, call, options.subresource);
  }

  async delete<T extends KubeObject>(
    resource: ResourceRef<T>,
    key: ObjectKey,
    options: DeleteOptions = {},
  ): Promise<T | Status> {
    return this.#object<T | Status>(resource, key, { method: 'DELETE', verb: 'delete', body: deleteBody(options) });
  }

  async deleteCollection(
    resource: ResourceRef<KubeObject>,
    list: ListOptions,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#json({
      method: 'DELETE',
      verb: 'delete',
      path: pathOf(resource, list.namespace),
      query: listQuery(list),
      body: deleteBody(options),
      group: resource.group,
      resource: resource.resource,
    });
  }

  createSubresource<R = unknown>(
    resource: ResourceRef,
    key: ObjectKey,
    subresource: string,
    body: object,
    options: WriteOptions = {},
  ): Promise<R> {
    return this.#object(resource, key, { method: 'POST', verb: 'post', body, query: writeQuery(options) }, subresource);
  }

  getSubresource<R = unknown>(resource: ResourceRef, key: ObjectKey, subresource: string): Promise<R> {
    return this.#object(resource, key, { method: 'GET', verb: 'get', text: true }, subresource);
  }

  updateSubresource<R = unknown>(resource: ResourceRef, key: ObjectKey, subresource: string, body: object): Promise<R> {
    return this.#object(resource, key, { method: 'PUT', verb: 'put', body }, subresource);
  }

  raw(path: string): Promise<unknown> {
    return this.#json({ method: 'GET', verb: 'get', path, text: true });
  }

  watch<T extends KubeObject>(resource: ResourceRef<T>, options: WatchOptions, handler: WatchHandler<T>): WatchHandle {
    const path = withQuery(pathOf(resource, options.namespace), watchQuery(options));
    const { counts, clock, options: own } = this.#c;
    const note = (status: number) => {
      counts?.to.result(counts.host, 'GET', status);
      this.#noteRefusal(status);
    };
    const asked = { verb: 'watch', group: resource.group, resource: resource.resource };
    const watch = new HttpWatch(this.#c.transport, handler, note, asked);
    watch.answerWithin(own.requestTimeoutMs ?? defaultTimeoutMs, clock);
    if (options.timeoutSeconds) watch.endAfter(options.timeoutSeconds * 1000 + graceMs, clock);
    this.#headers().then(
      headers => watch.start(path, headers),
      error => watch.fail(error as Error),
    );
    return watch;
  }

  async #object<R>(resource: ResourceRef, key: ObjectKey, call: Omit<Call, 'path'>, subresource?: string): Promise<R> {
    const path = keyPath(resource, key, subresource);
    return this.#json({ ...call, path, group: resource.group, resource: resource.resource, name: key.name });
  }

  async #json<R>(call: Call): Promise<R> {
    const path = call.query ? withQuery(call.path, call.query) : call.path;
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    for (let tries = 0; ; tries++) {
      const answer = await this.#send(call, path, body);
      if (answer.status >= 200 && answer.status < 300) {
        if (answer.contentType.includes('json')) return parseExactJson(answer.body) as R;
        if (call.text) return answer.body as R;
        // As of a proxy that shows its own page.
        throw new Error(`${call.method} ${path}: an answer of type ${JSON.stringify(answer.contentType)}, not JSON`);
      }
      this.#noteRefusal(answer.status);
      const error = errorFromResponse(answer.status, answer.body, call, answer.retryAfterSeconds);
      const wait = answer.retryAfterSeconds;
      const again = (answer.status === 429 || answer.status >= 500) && wait > 0 && call.method !== 'POST';
      if (!again || tries >= maxRetries) throw error;
      this.#c.counts?.to.retried(this.#c.counts.host, call.method, answer.status);
      this.#c.log.debug('server asks to come back later', { path, seconds: wait });
      await this.#c.clock.sleep(wait * 1000);
    }
  }

  /** Sent again when the connection proves dead before it can have had an effect. */
  async #send(call: Call, path: string, body: string | undefined): Promise<Answer> {
    const headers = await this.#headers();
    if (body !== undefined) headers['content-type'] = call.contentType ?? 'application/json';
    for (let tries = 0; ; tries++) {
      try {
        return await this.#once(call.method, path, headers, body);
      } catch (error) {
        if (tries > 0 || !(error instanceof RequestError && error.again)) throw error;
      }
    }
  }

  #once(method: string, path: string, headers: RequestHeaders, body: string | undefined): Promise<Answer> {
    const { clock, transport, options, counts } = this.#c;
    const timeoutMs = options.requestTimeoutMs ?? defaultTimeoutMs;
    const startMs = clock.monotonic();
    const count = (code: number, receivedBytes: number) =>
      counts?.to.done({
        ...{ host: counts.host, method, code, receivedBytes },
        seconds: (clock.monotonic() - startMs) / 1000,
        sentBytes: body === undefined ? 0 : Buffer.byteLength(body),
      });
    return new Promise((resolve, reject) => {
      let head = { status: 0, contentType: '', retryAfterSeconds: 0 };
      const chunks: Buffer[] = [];
      const timer = clock.after(timeoutMs, () => {
        call.cancel();
        count(0, 0);
        reject(new Error(`${method} ${options.server}${path} timed out after ${timeoutMs} ms`));
      });
      const call = transport.send(
        { method, path, headers, ...(body !== undefined ? { body } : {}) },
        {
          onHead(status, h) {
            head = {
              status,
              contentType: h['content-type'] ?? '',
              retryAfterSeconds: retryAfter(h['retry-after']),
            };
          },
          onData: chunk => chunks.push(chunk),
          onEnd() {
            timer.cancel();
            const all = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
            count(head.status, all.length);
            resolve({ ...head, body: all.toString('utf8') });
          },
          onError(error) {
            timer.cancel();
            count(0, 0);
            const again = error instanceof NotSentError || (method === 'GET' && head.status === 0);
            const text = `${method} ${options.server}${path}: ${messageOf(error)}`;
            reject(new RequestError(text, again, { cause: error }));
          },
        },
      );
    });
  }

  async #token(source: (refused?: string) => string | Promise<string>): Promise<string> {
    const { refused } = this.#c;
    this.#c.refused = undefined;
    this.#c.token = await source(refused);
    return this.#c.token;
  }

  #noteRefusal(status: number): void {
    if (status === 401) this.#c.refused = this.#c.token;
  }

  async #headers(): Promise<RequestHeaders> {
    const { token, basic, impersonate } = this.#c.options;
    const headers: RequestHeaders = { accept: 'application/json', 'user-agent': this.#userAgent };
    if (token) headers.authorization = `Bearer ${typeof token === 'string' ? token : await this.#token(token)}`;
    else if (basic) headers.authorization = `Basic ${btoa(`${basic.username}:${basic.password}`)}`;
    if (impersonate) {
      headers['impersonate-user'] = impersonate.user;
      if (impersonate.uid) headers['impersonate-uid'] = impersonate.uid;
      if (impersonate.groups?.length) headers['impersonate-group'] = [...impersonate.groups];
    }
    for (const [name, value] of Object.entries(this.#c.options.headers ?? {}))
      headers[name] = typeof value === 'string' ? value : [...value];
    return headers;
  }
}

function complete<T>(resource: ResourceRef<T>, object: Draft<T>): object {
  return { kind: resource.kind, apiVersion: apiVersionOf(resource), ...object };
}

/** API servers leave kind and apiVersion out of the items of a list. */
function withKind<T extends KubeObject>(items: readonly T[], resource: ResourceRef<T>): readonly T[] {
  if (items.length === 0 || items[0]!.kind) return items;
  const head = { kind: resource.kind, apiVersion: apiVersionOf(resource) };
  return items.map(item => ({ ...head, ...item }));
}
