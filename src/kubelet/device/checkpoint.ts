// State that a kubelet must find again after its restart: JSON with a checksum, replaced as a whole.
import { messageOf } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';

export class Checkpoint<T> {
  readonly path: string;
  readonly #host: Host;
  readonly #log: Log;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, host: Host, log: Log) {
    this.path = path;
    this.#host = host;
    this.#log = log;
  }

  /** Undefined when there is none, or what is there cannot be trusted. */
  async read(): Promise<T | undefined> {
    const text = await this.#host.readFile(this.path);
    if (text === undefined) return undefined;
    try {
      const { Data, Checksum } = JSON.parse(text) as { Data: T; Checksum: number };
      if (checksum(JSON.stringify(Data)) !== Checksum) throw new Error('checkpoint is corrupted');
      return Data;
    } catch (error) {
      this.#log.warn('reading a checkpoint failed', { path: this.path, error: messageOf(error) });
      return undefined;
    }
  }

  /** `state` is asked when its turn to be written comes, so that a later write never brings back an earlier state. */
  write(state: () => T): Promise<void> {
    const next = this.#writing
      .catch(() => {})
      .then(() => {
        const data = JSON.stringify(state());
        const text = `{"Data":${data},"Checksum":${checksum(data)}}`;
        return this.#host.writeFile(this.path, text, { mode: 0o600, atomic: true });
      });
    this.#writing = next;
    return next;
  }

  /** Resolves when everything that was to be written is, or has failed. */
  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }
}

/** FNV-1a of 32 bits. */
function checksum(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
