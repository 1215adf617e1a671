// Spans to an OpenTelemetry collector: OTLP. The official exporter and its SDK are a dozen packages around these few
// messages; the spans are made already, so the messages are written here.
import { messageOf } from '../assert.ts';
import type { Clock, Timer } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Span } from './span.ts';

export interface OtlpExporter {
  add(spans: readonly Span[]): void;
  /** Sends what is left. */
  close(): Promise<void>;
}

// As the SDKs' batches: what comes while the queue is full is dropped.
const batchMs = 5000;
const batchSpans = 512;
const mostQueued = 2048;
export const exportTimeoutMs = 10_000;
export const exportMethod = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

export interface OtlpOptions {
  /** As traces name it. */
  readonly service: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly sender: OtlpSender;
}

/** A connection to the collector. */
export interface OtlpSender {
  /** An ExportTraceServiceRequest. Rejects when the collector does not take it. */
  send(request: Buffer): Promise<void>;
  close(): void;
}

export function createOtlpExporter(endpoint: string, { service, clock, log, sender }: OtlpOptions): OtlpExporter {
  let queue: Span[] = [];
  let timer: Timer | undefined;
  let dropped = 0;
  let sending: Promise<void> = Promise.resolve();

  function flush(): Promise<void> {
    timer?.cancel();
    timer = undefined;
    const batch = queue;
    queue = [];
    if (dropped) log.warn('spans were dropped: the collector is too slow', { dropped });
    dropped = 0;
    if (batch.length) sending = sending.then(() => send(batch));
    return sending;
  }

  async function send(batch: readonly Span[]): Promise<void> {
    try {
      await sender.send(encodeExport(batch, service));
    } catch (error) {
      log.warn('sending spans failed', { endpoint, error: messageOf(error) });
    }
  }

  return {
    add(spans) {
      if (queue.length + spans.length > mostQueued) {
        dropped += spans.length;
        return;
      }
      queue.push(...spans);
      if (queue.length >= batchSpans) void flush();
      else timer ??= clock.after(batchMs, () => void flush());
    },
    async close() {
      await flush();
      sender.close();
    },
  };
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  return Buffer.from(out);
}

const bytes = (field: number, content: Uint8Array): Buffer =>
  Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value));
const number = (field: number, value: number): Buffer => Buffer.concat([varint(field * 8), varint(value)]);
const hexBytes = (field: number, value: string): Buffer => bytes(field, Buffer.from(value, 'hex'));

function nanoseconds(field: number, ms: number): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeBigUInt64LE(BigInt(Math.round(ms * 1000)) * 1000n);
  return Buffer.concat([varint(field * 8 + 1), fixed]);
}

function attribute(field: number, key: string, value: string | number): Buffer {
  const any = typeof value === 'string' ? text(1, value) : number(3, value);
  return bytes(field, Buffer.concat([text(1, key), bytes(2, any)]));
}

const kinds = { internal: 1, server: 2, client: 3 } as const;

/** ExportTraceServiceRequest of one resource and one scope. */
export function encodeExport(spans: readonly Span[], service: string): Buffer {
  const resource = bytes(1, attribute(1, 'service.name', service));
  const scope = bytes(1, text(1, `k8ts/${service}`));
  return bytes(
    1,
    Buffer.concat([resource, bytes(2, Buffer.concat([scope, ...spans.map(s => bytes(2, encodeSpan(s)))]))]),
  );
}

function encodeSpan(span: Span): Buffer {
  return Buffer.concat([
    hexBytes(1, span.traceId),
    hexBytes(2, span.spanId),
    ...(span.state ? [text(3, span.state)] : []),
    ...(span.parentId ? [hexBytes(4, span.parentId)] : []),
    text(5, span.name),
    number(6, kinds[span.kind]),
    nanoseconds(7, span.startMs),
    nanoseconds(8, span.endMs),
    ...Object.entries(span.attributes).map(([key, value]) => attribute(9, key, value)),
    ...(span.failed ? [bytes(15, number(3, 2))] : []),
  ]);
}
