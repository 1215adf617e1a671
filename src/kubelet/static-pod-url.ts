// Static pods from a URL: a Pod or a PodList, asked for again and again.
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { abortsWith } from '../base/lifecycle.ts';
import type { Log } from '../base/log.ts';
import type { ManifestReader } from './static-pod-manifest.ts';

export interface StaticPodUrlOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly manifests: ManifestReader;
  readonly url: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly everyMs: number;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
  /** All there are now, each time the URL could be read. */
  onRead(pods: readonly Pod[]): void;
}

const answerMs = 10_000;
const maxBytes = 10 << 20;

/** While it cannot be read, what it said last holds. */
export async function followStaticPodUrl(options: StaticPodUrlOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, manifests, url, everyMs } = options;
  let told = '';
  while (!signal.aborted) {
    try {
      const text = await read(options, signal);
      options.onRead(manifests.read(text, { source: 'http', at: url }));
      if (!text) throw new Error(`zero-length data received from ${url}`);
      told = '';
    } catch (error) {
      const message = messageOf(error);
      if (!signal.aborted && message !== told) log.warn('reading static pods from a URL failed', { error: message });
      told = message;
    }
    await clock.sleep(everyMs, signal).catch(() => {});
  }
}

async function read(options: StaticPodUrlOptions, signal: AbortSignal): Promise<string> {
  const { url, clock } = options;
  const { controller, release } = abortsWith(signal);
  const timer = clock.after(answerMs, () => controller.abort(new Error(`${url}: no answer within ${answerMs} ms`)));
  try {
    const headers = Object.entries(options.headers).flatMap(([name, values]) =>
      values.map((value): [string, string] => [name, value]),
    );
    const answer = await (options.fetch ?? fetch)(url, { headers, signal: controller.signal });
    if (answer.status !== 200) throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of answer.body ?? []) {
      size += chunk.length;
      if (size > maxBytes) throw new Error(`${url}: more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString();
  } finally {
    timer.cancel();
    release();
  }
}
