// A file of state that must fit the configuration: the kubelet does not start where it does not.
import { messageOf } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';

export interface StateFileOptions<T> {
  readonly path: string;
  /** As messages name it: `CPU manager`. */
  readonly owner: string;
  readonly host: Host;
  readonly log: Log;
  encode(state: T): string;
  /** Throws where the text cannot be trusted. */
  decode(text: string): T;
}

export class StateFile<T extends { readonly policyName: string }> {
  readonly #o: StateFileOptions<T>;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StateFileOptions<T>) {
    this.#o = options;
  }

  /** Undefined where there is none. Rejects where it is another policy's, or broken. */
  async read(policyName: string): Promise<T | undefined> {
    const { path, owner, host } = this.#o;
    const text = await host.readFile(path);
    if (!text) return undefined;
    const advice = `please drain this node and delete the ${owner} checkpoint file ${JSON.stringify(path)} before restarting Kubelet`;
    let state: T;
    try {
      state = this.#o.decode(text);
    } catch (error) {
      throw new Error(`could not restore state from checkpoint: ${messageOf(error)}, ${advice}`, { cause: error });
    }
    if (state.policyName !== policyName)
      throw new Error(
        `could not restore state from checkpoint: configured policy ${JSON.stringify(policyName)} differs from state checkpoint policy ${JSON.stringify(state.policyName)}, ${advice}`,
      );
    return state;
  }

  /** `state` is asked when its turn to be written comes. Rejects where it cannot be written. */
  write(state: () => T): Promise<void> {
    const { path, host, encode } = this.#o;
    const next = this.#writing
      .catch(() => {})
      .then(() => host.writeFile(path, encode(state()), { mode: 0o600, atomic: true }));
    this.#writing = next;
    return next;
  }

  /** The same where nobody waits for it. */
  save(state: () => T): void {
    const { path, log } = this.#o;
    this.write(state).catch(error => log.warn('writing a state file failed', { path, error: messageOf(error) }));
  }

  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }
}
