// Keeps the last two readings of every Ready node, so that usage is known when somebody asks.
import type { Node } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { type ApiContext, registryOf } from '../context.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { errorText, requestBackend } from '../stream/backend.ts';
import { type KubeletTargets, kubeletTargets } from '../stream/kubelet-target.ts';
import { type Counters, parseReading, type UsageReading } from './kernel/reading.ts';
import { type Usage, usageOf } from './kernel/usage.ts';

interface Known {
  readonly before: UsageReading | undefined;
  readonly now: UsageReading;
}

const everyMs = 15_000;
const answerMs = 10_000;
const atOnce = 16;

export class UsageSampler {
  readonly #context: ApiContext;
  readonly #inProcess: NonNullable<ApiServerOptions['nodeUsage']>;
  readonly #kubelets: KubeletTargets;
  readonly #nodes = new Map<string, Known>();
  readonly #failing = new Set<string>();

  constructor(context: ApiContext, options: ApiServerOptions) {
    this.#context = context;
    this.#inProcess = options.nodeUsage ?? (() => undefined);
    this.#kubelets = kubeletTargets(context);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    while (!signal.aborted) {
      const began = clock.monotonic();
      await this.#sampleKubelets(signal);
      await clock.sleep(Math.max(0, everyMs - (clock.monotonic() - began)), signal).catch(() => {});
    }
  }

  /** Usage of a node; undefined when it is not known. */
  async node(name: string): Promise<Usage | undefined> {
    const known = await this.#known(name);
    return known?.now.node && usageOf(known.before?.node, known.now.node);
  }

  /** Usage of each container of a pod (`namespace/name`) on a node, in the order they are asked for; undefined when one is not known. */
  async containers(node: string, pod: string, names: readonly string[]): Promise<Usage[] | undefined> {
    const known = await this.#known(node);
    const now = known?.now.pods.get(pod);
    if (!known || !now) return undefined;
    const before = known.before?.pods.get(pod);
    const usages = names.flatMap(name => {
      const counters = now.get(name);
      return (counters && usageOf(before?.get(name), counters)) ?? [];
    });
    return usages.length === names.length ? usages : undefined;
  }

  /** A node in this process is read when it is asked about: nothing runs while nobody asks. */
  #known(name: string): Known | undefined | Promise<Known | undefined> {
    const known = this.#nodes.get(name);
    const source = this.#inProcess(name);
    if (!source) return known;
    const age = known ? this.#context.clock.now() - newest(known.now) : Number.POSITIVE_INFINITY;
    if (age < everyMs) return known;
    return source().then(
      reading => this.#remember(name, reading),
      () => known,
    );
  }

  #remember(name: string, now: UsageReading): Known {
    const known = { before: this.#nodes.get(name)?.now, now };
    this.#nodes.set(name, known);
    return known;
  }

  async #sampleKubelets(signal: AbortSignal): Promise<void> {
    const present = new Set<string>();
    const asked: string[] = [];
    registryOf(this.#context, '', 'nodes')
      .cache.snapshot()
      .scan('', undefined, ({ object }) => {
        const node = object as unknown as Node;
        const { name } = node.metadata;
        present.add(name);
        if (isReady(node) && !this.#inProcess(name)) asked.push(name);
        return true;
      });
    for (const name of this.#nodes.keys()) if (!present.has(name)) this.#nodes.delete(name);
    const next = async () => {
      for (let name = asked.pop(); name !== undefined && !signal.aborted; name = asked.pop())
        await this.#sample(name, signal);
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, asked.length) }, next));
  }

  async #sample(name: string, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#context;
    try {
      const limit = new AbortController();
      const timer = clock.after(answerMs, () => limit.abort(new Error('timed out')));
      try {
        const text = await this.#read(name, AbortSignal.any([signal, limit.signal]));
        this.#remember(name, parseReading(text, clock.now()));
        this.#failing.delete(name);
      } finally {
        timer.cancel();
      }
    } catch (error) {
      if (signal.aborted || this.#failing.has(name)) return;
      this.#failing.add(name);
      log.info('reading usage from a node failed, will try again', { node: name, error: messageOf(error) });
    }
  }

  async #read(name: string, signal: AbortSignal): Promise<string> {
    const answer = await requestBackend(this.#kubelets.of(name), {
      method: 'GET',
      path: '/metrics/resource',
      headers: {},
      agent: this.#kubelets.agent,
      signal,
      clock: this.#context.clock,
    });
    if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${await errorText(answer)}`);
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }
}

export const isReady = (node: Node): boolean =>
  node.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') === true;

function newest({ node, pods }: UsageReading): number {
  let at = node?.atMs ?? 0;
  for (const containers of pods.values()) for (const c of containers.values()) at = Math.max(at, (c as Counters).atMs);
  return at;
}
