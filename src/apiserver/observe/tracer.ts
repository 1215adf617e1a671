// Follows requests: what took long is told in the log, and what is sampled goes to where traces are collected.

import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { own } from '../../base/own.ts';
import type { Random } from '../../base/random.ts';
import { createOtlpExporter, type OtlpExporter } from '../../base/trace/otlp.ts';
import type { Span } from '../../base/trace/span.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import { methodOf, scopeOf } from '../metrics.ts';
import type { RequestInfo } from '../request-info.ts';
import { RequestTrace, readTraceparent, type SpanContext, type Step } from './trace.ts';

export interface TracingOptions {
  /** `host:port` of an OTLP collector that speaks gRPC in the clear; `http://` and `https://` before it are taken, too. */
  readonly endpoint: string;
  /** Of a million requests that begin a trace here. */
  readonly samplingRatePerMillion: number;
}

export interface Tracer {
  begin(exchange: Pick<Exchange, 'headers'>, startMs: number, user: () => UserInfo | undefined): RequestTrace;
  end(trace: RequestTrace, request: Ended): void;
  close(): Promise<void>;
}

interface Ended {
  readonly info: RequestInfo | undefined;
  readonly exchange: Exchange;
  readonly auditId: string;
  readonly code: number;
  readonly endMs: number;
}

/** As Kubernetes: what takes longer is told. */
export const slowMs = 500;
// As Kubernetes: steps below are not.
const tellMs = 50;

// Whose word on traces is taken: others could have everything they do sampled.
const trusted = new Set(['system:masters', 'system:monitoring']);

export function createTracer(
  tracing: TracingOptions | undefined,
  { clock, random, log }: { clock: Clock; random: Random; log: Log },
): Tracer {
  const hex = (bytes: number) => Buffer.from(random.bytes(bytes)).toString('hex');
  let exporting: Promise<OtlpExporter> | undefined;
  const exporter = ({ endpoint }: TracingOptions) => {
    exporting ??= import('./otlp-grpc.ts').then(m =>
      createOtlpExporter(endpoint, { service: 'apiserver', clock, log, sender: m.grpcSender(endpoint, clock) }),
    );
    return exporting;
  };

  function identify(headers: Exchange['headers'], user: UserInfo | undefined): SpanContext {
    const given = readTraceparent(headers.traceparent);
    if (given && user?.groups.some(g => trusted.has(g)))
      return { ...given, spanId: hex(8), state: String(headers.tracestate ?? '') };
    const sampled = random.next() * 1e6 < tracing!.samplingRatePerMillion;
    return { traceId: hex(16), spanId: hex(8), parentId: '', sampled, state: '' };
  }

  return {
    begin: ({ headers }, startMs, user) =>
      new RequestTrace(startMs, () => clock.monotonic(), tracing && (() => identify(headers, user()))),
    end(trace, ended) {
      const { info, endMs } = ended;
      if (endMs - trace.startMs >= slowMs && !(info && isLongRunning(info))) tellSlow(log, trace, ended);
      if (!tracing || !trace.context?.sampled) return;
      const context = trace.context;
      const wallMs = clock.now() - clock.monotonic();
      const spans = spansOf(trace, context, ended, wallMs, hex);
      exporter(tracing).then(
        e => e.add(spans),
        error => log.error('exporting traces failed', { error }),
      );
    },
    close: async () => (await exporting)?.close(),
  };
}

const titles: Readonly<Record<string, string>> = {
  ...{ create: 'Create', update: 'Update', patch: 'Patch', delete: 'Delete', deletecollection: 'Delete' },
  ...{ get: 'Get', list: 'List' },
};

function tellSlow(log: Log, { startMs, steps, filters }: RequestTrace, { info, exchange, code, endMs }: Ended): void {
  log.info('a request was slow', {
    trace: own(titles, info?.verb ?? '') ?? 'Request',
    method: exchange.method,
    url: exchange.uri,
    userAgent: exchange.headers['user-agent'] ?? '',
    code,
    totalMs: Math.round(endMs - startMs),
    steps: [...filters, ...steps]
      .filter(s => s.endMs - s.startMs >= tellMs)
      .map(s => `${s.name}: ${Math.round(s.endMs - s.startMs)}ms (at ${Math.round(s.startMs - startMs)}ms)`),
  });
}

// Who the client is is found out before its span begins to have others.
const unseen = 'authentication';

/** The request, each filter below the one before it, and what was done below the last. */
function spansOf(
  trace: RequestTrace,
  { traceId, spanId, parentId, state }: SpanContext,
  ended: Ended,
  wallMs: number,
  hex: (bytes: number) => string,
): Span[] {
  const { info, exchange, code, endMs } = ended;
  const root: Span = {
    traceId,
    spanId,
    parentId,
    state,
    name: nameOf(info, exchange),
    kind: 'server',
    startMs: wallMs + trace.startMs,
    endMs: wallMs + endMs,
    attributes: attributesOf(ended),
    failed: code >= 500,
  };
  const spans = [root];
  let last = spanId;
  const below = ({ name, startMs, endMs: untilMs, attributes = {} }: Step): string => {
    const id = hex(8);
    const times = { startMs: wallMs + startMs, endMs: wallMs + untilMs };
    spans.push({
      traceId,
      spanId: id,
      parentId: last,
      state,
      name,
      kind: 'internal',
      ...times,
      attributes,
      failed: false,
    });
    return id;
  };
  for (const filter of trace.filters) if (filter.name !== unseen) last = below(filter);
  const title = info?.isResource ? own(titles, info.verb) : undefined;
  const servedMs = trace.filters.at(-1)?.endMs ?? trace.startMs;
  if (title && trace.filters.at(-1)?.name === 'authorization')
    last = below({ name: title, startMs: servedMs, endMs, attributes: ofResource(info!, ended) });
  for (const step of trace.steps) below(step);
  return spans;
}

/** As OpenTelemetry names what HTTP servers tell. */
function attributesOf({ exchange, auditId, code }: Ended): Record<string, string | number> {
  const { headers, peer } = exchange;
  const authority = headers.host ?? String(headers[':authority'] ?? '');
  const [, host = '', port = ''] = /^(.*?)(?::(\d+))?$/.exec(authority) ?? [];
  const sent = Number(headers['content-length'] ?? 0);
  return {
    ...(host ? { 'server.address': host } : {}),
    'http.request.method': exchange.method,
    'url.scheme': 'https',
    ...(port ? { 'server.port': Number(port) } : {}),
    'network.peer.address': peer.remoteAddress,
    'user_agent.original': headers['user-agent'] ?? '',
    'client.address': peer.remoteAddress,
    'url.path': exchange.path,
    'network.protocol.version': exchange.protocol.slice('HTTP/'.length),
    'http.target': exchange.uri,
    'audit-id': auditId,
    ...(sent > 0 ? { 'http.request.body.size': sent } : {}),
    ...(exchange.sentBytes > 0 ? { 'http.response.body.size': exchange.sentBytes } : {}),
    'http.response.status_code': code,
  };
}

function ofResource(info: RequestInfo, { exchange, auditId }: Ended): Record<string, string> {
  return {
    accept: exchange.headers.accept ?? '',
    'audit-id': auditId,
    client: exchange.peer.remoteAddress,
    'api-group': info.group,
    'api-version': info.version,
    name: info.name,
    subresource: info.subresource,
    namespace: info.namespace,
    protocol: exchange.protocol,
    resource: info.resource,
    scope: scopeOf(info),
    url: exchange.uri,
    'user-agent': exchange.headers['user-agent'] ?? '',
    verb: methodOf(info.verb, ''),
  };
}

// As kube-apiserver names them: the path with placeholders, for resources.
function nameOf(info: RequestInfo | undefined, { method }: Exchange): string {
  if (!info?.isResource) return method;
  const { group, version, namespace, resource, name, subresource } = info;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const scope = namespace && resource !== 'namespaces' ? '/namespaces/{:namespace}' : '';
  return `${method} ${root}${scope}/${resource}${name ? '/{:name}' : ''}${subresource ? `/${subresource}` : ''}`;
}
