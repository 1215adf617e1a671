// Follows requests: what took long is told in the log, and what is sampled goes to where traces are collected.

import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { own } from '../../base/own.ts';
import type { Random } from '../../base/random.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Exchange } from '../http/exchange.ts';
import { isLongRunning } from '../long-running.ts';
import type { RequestInfo } from '../request-info.ts';
import type { OtlpExporter } from './otlp.ts';
import type { Span } from './span.ts';
import { RequestTrace, readTraceparent, type SpanContext } from './trace.ts';

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
    exporting ??= import('./otlp.ts').then(m => m.createOtlpExporter(endpoint, { clock, log }));
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
    begin: ({ headers }, startMs, user) => new RequestTrace(startMs, tracing && (() => identify(headers, user()))),
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

function tellSlow(log: Log, { startMs, steps }: RequestTrace, { info, exchange, code, endMs }: Ended): void {
  log.info('a request was slow', {
    trace: own(titles, info?.verb ?? '') ?? 'Request',
    method: exchange.method,
    url: exchange.uri,
    userAgent: exchange.headers['user-agent'] ?? '',
    code,
    totalMs: Math.round(endMs - startMs),
    steps: steps
      .filter(s => s.endMs - s.startMs >= tellMs)
      .map(s => `${s.name}: ${Math.round(s.endMs - s.startMs)}ms (at ${Math.round(s.startMs - startMs)}ms)`),
  });
}

function spansOf(
  trace: RequestTrace,
  { traceId, spanId, parentId, state }: SpanContext,
  { info, exchange, code, endMs }: Ended,
  wallMs: number,
  hex: (bytes: number) => string,
): Span[] {
  const own: Span = {
    traceId,
    spanId,
    parentId,
    state,
    name: nameOf(info, exchange),
    kind: 'server',
    startMs: wallMs + trace.startMs,
    endMs: wallMs + endMs,
    attributes: {
      'http.request.method': exchange.method,
      'url.path': exchange.path,
      'http.response.status_code': code,
      'user_agent.original': exchange.headers['user-agent'] ?? '',
      'network.protocol.version': exchange.protocol.slice('HTTP/'.length),
    },
    failed: code >= 500,
  };
  const steps = trace.steps.map(
    (s): Span => ({
      traceId,
      spanId: hex(8),
      parentId: spanId,
      state,
      name: s.name,
      kind: 'internal',
      startMs: wallMs + s.startMs,
      endMs: wallMs + s.endMs,
      attributes: s.attributes ?? {},
      failed: false,
    }),
  );
  return [own, ...steps];
}

// As kube-apiserver names them: the path with placeholders.
function nameOf(info: RequestInfo | undefined, { method, path }: Exchange): string {
  if (!info?.isResource) return `${method} ${path}`;
  const { group, version, namespace, resource, name, subresource } = info;
  const root = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const scope = namespace && resource !== 'namespaces' ? '/namespaces/{:namespace}' : '';
  return `${method} ${root}${scope}/${resource}${name ? '/{:name}' : ''}${subresource ? `/${subresource}` : ''}`;
}
