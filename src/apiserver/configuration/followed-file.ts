// A configuration file that may change while the server runs, with Kubernetes' metrics of its reloads.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';
import { Followed } from './followed.ts';

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

/** Looks at once a while; `check` looks now. Ends with `stop`. */
export class FollowedFile {
  readonly #options: FollowedFileOptions;
  readonly #identity: string;
  readonly #followed: Followed;

  /** `serverId`: what the metrics name the server by. */
  constructor(options: FollowedFileOptions, serverId = 'kube-apiserver') {
    this.#options = options;
    this.#identity = hashOf(serverId);
    const { file, apply, text, clock, everyMs } = options;
    const read = () => readFileSync(file, 'utf8');
    this.#followed = new Followed({ read, apply, text, clock, everyMs, attempted: error => this.#tell(error) });
  }

  /** Looks for a change and waits until it has taken effect, or failed to. */
  check(): Promise<void> {
    return this.#followed.check();
  }

  stop(): void {
    this.#followed.stop();
  }

  #tell(error: unknown): void {
    const { file, log, name } = this.#options;
    this.#count(error ? 'failure' : 'success');
    if (error) log.error(`reloading the ${name} configuration failed`, { file, error: messageOf(error) });
    else log.info(`reloaded the ${name} configuration`, { file });
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
