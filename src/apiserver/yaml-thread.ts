// Large bodies in YAML are read in a thread of their own: here each would hold the loop for up to a second a megabyte.
import { Worker } from 'node:worker_threads';
import { noteYaml, readPlainYaml } from '../api/decode.ts';
import { YamlFault } from '../api/yaml-reader.ts';
import type { YamlAnswer } from '../api/yaml-worker.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { parseWideJson } from '../base/whole-number.ts';

/** Smaller ones are read here: some 50 ms at worst. */
const inlineBytes = 64 << 10;
const idleMs = 10_000;
// What a document of 3 MiB with as many parts as are read needs.
const heapMegabytes = 1024;

/** One thread, begun when first needed and ended when it has had nothing to do for a while. */
export class YamlThread {
  readonly #clock: Clock;
  #worker: Worker | undefined;
  #answer: ((answer: YamlAnswer | undefined) => void) | undefined;
  #idle: Timer | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves when `parseYaml` can take the body at once: read, or small. Never rejects. */
  ahead(body: Uint8Array): Promise<void> | undefined {
    if (body.length <= inlineBytes || this.#closed || readPlainYaml(body)) return undefined;
    this.#idle?.cancel();
    this.#waiting++;
    const read = this.#queue.then(() => this.#read(body));
    this.#queue = read;
    return read;
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  async #read(body: Uint8Array): Promise<void> {
    const answer = this.#closed ? undefined : await this.#ask(body);
    // Without an answer the body is read by whoever asks for it.
    if (answer && 'fault' in answer) noteYaml(body, new YamlFault(answer.fault));
    else if (answer) {
      const { json, duplicates, lines } = answer;
      const value = parseWideJson(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString());
      noteYaml(body, { value, duplicates, ...(lines ? { lines } : {}) });
    }
    if (--this.#waiting === 0 && !this.#closed) this.#idle = this.#clock.after(idleMs, () => this.#end());
  }

  #ask(body: Uint8Array): Promise<YamlAnswer | undefined> {
    return new Promise(resolve => {
      this.#answer = resolve;
      this.#worker ??= this.#begin();
      // A copy of just its bytes: what is posted takes all of the memory it lies in with it.
      const copy = new Uint8Array(body);
      this.#worker.postMessage(copy, [copy.buffer]);
    });
  }

  #begin(): Worker {
    const file = import.meta.url.endsWith('.ts') ? '../api/yaml-worker.ts' : '../api/yaml-worker.js';
    const worker = new Worker(new URL(file, import.meta.url), {
      name: 'yaml',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMegabytes },
    });
    const gone = (answer: YamlAnswer | undefined) => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#answer?.(answer);
    };
    worker.on('message', (answer: YamlAnswer) => this.#answer?.(answer));
    worker.on('error', (error: NodeJS.ErrnoException) =>
      gone(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? { fault: 'yaml: document has too many parts' } : undefined),
    );
    worker.on('exit', () => gone(undefined));
    worker.unref();
    return worker;
  }

  #end(): void {
    this.#idle?.cancel();
    this.#idle = undefined;
    const worker = this.#worker;
    this.#worker = undefined;
    this.#answer?.(undefined);
    void worker?.terminate();
  }
}
