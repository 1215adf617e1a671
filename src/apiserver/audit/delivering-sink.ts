// From one event to a writer of several: at once or in batches, shortened where asked.
import type { Event } from '../../api/type/audit-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { splitBySize, truncated } from './kernel/truncate.ts';
import type { AuditMode, AuditSink, WriteEvents } from './sink.ts';

export interface BatchOptions {
  /** Events that wait at most; what comes on top is lost. */
  readonly bufferSize: number;
  readonly maxSize: number;
  /** 0: only a full batch goes. */
  readonly maxWaitMs: number;
  /** Batches a second, and at once. */
  readonly throttle?: { readonly qps: number; readonly burst: number } | undefined;
}

export interface DeliveryOptions {
  /** `log` or `webhook`, for metrics and messages. */
  readonly plugin: string;
  readonly mode: AuditMode;
  readonly batch: BatchOptions;
  readonly truncate?: { readonly maxEventBytes: number; readonly maxBatchBytes: number } | undefined;
  readonly write: WriteEvents;
  readonly close?: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class DeliveringSink implements AuditSink {
  readonly #options: DeliveryOptions;
  readonly strict: boolean;
  onLost: AuditSink['onLost'];
  #buffer: Event[] = [];
  #timer: Timer | undefined;
  /** Batches on their way. */
  readonly #sending = new Set<Promise<boolean>>();
  #tokens: number;
  #filledMs: number;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.strict = options.mode === 'blocking-strict';
    this.#tokens = options.batch.throttle?.burst ?? 0;
    this.#filledMs = options.clock.monotonic();
  }

  write(event: Event): boolean | Promise<boolean> {
    const { mode, batch, truncate } = this.#options;
    const short = truncate ? truncated(event, truncate.maxEventBytes) : event;
    if (!short) return this.#lost(1, 'event is too large');
    if (mode !== 'batch') return this.#track(this.#send([short]));
    if (this.#buffer.length >= batch.bufferSize) {
      this.#lost(1, 'audit buffer queue blocked');
      return true;
    }
    this.#buffer.push(short);
    if (this.#buffer.length >= batch.maxSize) this.#flush();
    else if (batch.maxWaitMs > 0) this.#timer ??= this.#options.clock.after(batch.maxWaitMs, () => this.#flush());
    return true;
  }

  async close(): Promise<void> {
    while (this.#buffer.length > 0) this.#flush(true);
    await Promise.all(this.#sending);
    await this.#options.close?.();
  }

  /** Sends a batch as soon as the throttle lets it. */
  #flush(closing = false): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { batch, truncate, clock } = this.#options;
    const delayMs = closing ? 0 : this.#delayMs();
    if (delayMs > 0) {
      this.#timer = clock.after(delayMs, () => this.#flush());
      return;
    }
    const events = this.#buffer.splice(0, batch.maxSize);
    if (events.length === 0) return;
    this.#tokens -= batch.throttle ? 1 : 0;
    for (const part of truncate ? splitBySize(events, truncate.maxBatchBytes) : [events])
      void this.#track(this.#send(part));
    if (this.#buffer.length >= batch.maxSize) this.#timer = clock.after(0, () => this.#flush());
    else if (this.#buffer.length > 0 && batch.maxWaitMs > 0)
      this.#timer = clock.after(batch.maxWaitMs, () => this.#flush());
  }

  /** How long the next batch has to wait. */
  #delayMs(): number {
    const { throttle } = this.#options.batch;
    if (!throttle) return 0;
    const nowMs = this.#options.clock.monotonic();
    const filled = this.#tokens + ((nowMs - this.#filledMs) / 1000) * throttle.qps;
    this.#tokens = Math.min(throttle.burst, filled);
    this.#filledMs = nowMs;
    // Sums of fractions are never quite one.
    const missing = 1 - this.#tokens;
    return missing < 1e-9 ? 0 : Math.ceil((missing / throttle.qps) * 1000 - 1e-6);
  }

  async #send(events: readonly Event[]): Promise<boolean> {
    try {
      await this.#options.write(events);
      return true;
    } catch (error) {
      return this.#lost(events.length, messageOf(error));
    }
  }

  #track(sending: Promise<boolean>): Promise<boolean> {
    this.#sending.add(sending);
    void sending.then(() => this.#sending.delete(sending));
    return sending;
  }

  #lost(events: number, why: string): false {
    const { plugin, log } = this.#options;
    this.onLost?.(plugin, events);
    log.error(`Error in audit plugin '${plugin}' affecting ${events} audit events`, { error: why });
    return false;
  }
}
