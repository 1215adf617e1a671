// What one request spent its time on. Steps are noted where they happen, by whoever asks for the current trace.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface Step {
  readonly name: string;
  /** On the monotonic clock. */
  readonly startMs: number;
  readonly endMs: number;
  readonly attributes?: Readonly<Record<string, string | number>> | undefined;
}

/** W3C trace context: who asked, and under which names we go on. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits: of our span for the request. */
  readonly spanId: string;
  readonly parentId: string;
  readonly sampled: boolean;
  readonly state: string;
}

// More say nothing to anybody.
const mostSteps = 100;

/** Parts of an answer's way out; the first happens within the second. */
export type Outgoing = 'TransformObject' | 'SerializeObject' | 'WriteResponse';

export class RequestTrace {
  readonly startMs: number;
  readonly #now: () => number;
  readonly #spentMs: { [P in Outgoing]?: number } = {};
  readonly #running: { [P in Outgoing]?: number } = {};
  readonly steps: Step[] = [];
  /** What it passed before it was served, one behind the other. */
  readonly filters: Step[] = [];
  /** Undefined where traces go nowhere. */
  readonly #identify: (() => SpanContext) | undefined;
  #context: SpanContext | undefined;

  constructor(startMs: number, now: () => number, identify?: () => SpanContext) {
    this.startMs = startMs;
    this.#now = now;
    this.#identify = identify;
  }

  step(name: string, startMs: number, endMs: number, attributes?: Step['attributes']): void {
    if (this.steps.length < mostSteps) this.steps.push({ name, startMs, endMs, attributes });
  }

  filter(name: string, startMs: number, endMs: number): void {
    this.filters.push({ name, startMs, endMs });
  }

  begin(part: Outgoing): void {
    this.#running[part] = this.#now();
  }

  end(part: Outgoing): void {
    this.#spentMs[part] = this.spentMs(part);
    delete this.#running[part];
  }

  measure<T>(part: Outgoing, run: () => T): T {
    this.begin(part);
    try {
      return run();
    } finally {
      this.end(part);
    }
  }

  /** So far: what is under way counts as if it ended now. */
  spentMs(part: Outgoing): number {
    const { [part]: sinceMs } = this.#running;
    return (this.#spentMs[part] ?? 0) + (sinceMs === undefined ? 0 : this.#now() - sinceMs);
  }

  /** Settled when it is first asked for: by then it is known who the user is. */
  get context(): SpanContext | undefined {
    this.#context ??= this.#identify?.();
    return this.#context;
  }
}

const current = new AsyncLocalStorage<RequestTrace>();

export const currentTrace = (): RequestTrace | undefined => current.getStore();
/** Counts as part of what the current request takes, where there is one. */
export const spending = <T>(part: Outgoing, run: () => T): T => {
  const trace = current.getStore();
  return trace ? trace.measure(part, run) : run();
};
export const runTraced = <T>(trace: RequestTrace, run: () => T): T => current.run(trace, run);

/** Headers for a call made on behalf of the current request. */
export function traceHeaders(): Record<string, string> {
  const context = current.getStore()?.context;
  if (!context) return {};
  const { traceId, spanId, sampled, state } = context;
  return {
    traceparent: `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`,
    ...(state ? { tracestate: state } : {}),
  };
}

/** What a client says of the trace it is in; undefined for nothing, or for what cannot be read. */
export function readTraceparent(
  header: string | string[] | undefined,
): { traceId: string; parentId: string; sampled: boolean } | undefined {
  if (typeof header !== 'string') return undefined;
  const [, version, traceId = '', parentId = '', flags = '', more] =
    /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header.trim()) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
