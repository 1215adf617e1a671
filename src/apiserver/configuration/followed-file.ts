// A configuration file that may change while the server runs: what can be read takes effect, what cannot is told and left.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';

export interface FollowedFileOptions {
  readonly file: string;
  /** Makes what is new take effect; throws (or rejects) to keep what there was. */
  readonly apply: (text: string) => void | Promise<void>;
  /** Text that has taken effect already. */
  readonly text: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  /** `authorization`: apiserver_authorization_config_controller_… */
  readonly name: 'authorization' | 'authentication' | 'encryption';
  readonly everyMs?: number;
}

// Kubernetes promises a minute.
const defaultEveryMs = 10_000;

/** Looks at once a while; `check` looks now. Ends with `stop`. */
export class FollowedFile {
  readonly #options: FollowedFileOptions;
  readonly #identity: string;
  #seen: string;
  #timer: Timer | undefined;
  #checking: Promise<void> | undefined;
  #stopped = false;

  /** `serverId`: what the metrics name the server by. */
  constructor(options: FollowedFileOptions, serverId = 'kube-apiserver') {
    this.#options = options;
    this.#seen = options.text;
    this.#identity = hashOf(serverId);
    this.#arm();
  }

  /** Looks for a change and waits until it has taken effect, or failed to. */
  check(): Promise<void> {
    this.#checking ??= this.#look().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #arm(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.after(this.#options.everyMs ?? defaultEveryMs, () => {
      void this.check().then(() => this.#arm());
    });
  }

  async #look(): Promise<void> {
    const { file, apply, log, name } = this.#options;
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
      if (text === this.#seen) return;
      this.#seen = text;
      await apply(text);
    } catch (error) {
      this.#count('failure');
      log.error(`reloading the ${name} configuration failed`, { file, error: messageOf(error) });
      return;
    }
    this.#count('success');
    log.info(`reloaded the ${name} configuration`, { file });
  }

  #count(status: 'success' | 'failure'): void {
    const { metrics, name, clock } = this.#options;
    const prefix = `apiserver_${name}_config_controller_automatic_reload`;
    const labels = { status, apiserver_id_hash: this.#identity };
    metrics
      ?.counter(`${prefix}s_total`, `Reloads of the ${name} configuration.`, ['status', 'apiserver_id_hash'])
      .inc(labels);
    metrics
      ?.gauge(`${prefix}_last_timestamp_seconds`, `When the ${name} configuration was last reloaded.`, [
        'status',
        'apiserver_id_hash',
      ])
      .set(labels, clock.now() / 1000);
  }
}

export const hashOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`;
