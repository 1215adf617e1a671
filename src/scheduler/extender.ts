// Extenders: judges of nodes behind a web hook, asked about pods after the framework's own filters.
import type { Node, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { NodeInfo } from './cache/node-info.ts';
import { type Resources, resourceValue } from './kernel/resources.ts';
import type { PodInfo } from './pod-info.ts';
import { errorStatus, Status } from './status.ts';

/** An entry of `extenders` in KubeSchedulerConfiguration. */
export interface ExtenderConfig {
  readonly urlPrefix: string;
  readonly filterVerb?: string;
  readonly prioritizeVerb?: string;
  readonly bindVerb?: string;
  readonly preemptVerb?: string;
  /** Of its scores, which are 0 to 10. */
  readonly weight?: number;
  /** `5s`; the default. */
  readonly httpTimeout?: string;
  /** It knows the nodes: send names only. */
  readonly nodeCacheCapable?: boolean;
  /** Asked only about pods that request one of these. Default: about all. */
  readonly managedResources?: readonly { readonly name: string; readonly ignoredByScheduler?: boolean }[];
  /** When it cannot be reached, go on without. */
  readonly ignorable?: boolean;
}

/** POSTs JSON; rejects unless answered with 200 and JSON. */
export type PostJson = (url: string, body: unknown, signal: AbortSignal) => Promise<unknown>;

export const fetchJson: PostJson = async (url, body, signal) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal,
  });
  if (response.status !== 200) throw new Error(`failed ${url} with extender at URL ${url}, code ${response.status}`);
  return response.json();
};

interface FilterAnswer {
  readonly nodes?: { readonly items?: readonly Node[] };
  readonly nodenames?: readonly string[];
  readonly failedNodes?: Readonly<Record<string, string>>;
  readonly failedAndUnresolvableNodes?: Readonly<Record<string, string>>;
  readonly error?: string;
}

export interface ExtenderFilterResult {
  readonly nodes: readonly NodeInfo[];
  readonly failed: ReadonlyMap<string, Status>;
}

/** Scores of extenders are 0 to 10, those of plugins 0 to 100. */
const scale = 10;

const milliseconds: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A Go duration, as `1m30s`; 5 s for nothing. */
export function durationMs(text = '5s'): number {
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) sum += Number(number) * milliseconds[unit!]!;
  return sum || 5000;
}

export class Extender {
  readonly #config: ExtenderConfig;
  readonly #clock: Clock;
  readonly #post: PostJson;

  constructor(config: ExtenderConfig, clock: Clock, post: PostJson = fetchJson) {
    this.#config = config;
    this.#clock = clock;
    this.#post = post;
  }

  get name(): string {
    return this.#config.urlPrefix;
  }

  get binds(): boolean {
    return !!this.#config.bindVerb;
  }

  isInterested(pod: PodInfo): boolean {
    const { managedResources } = this.#config;
    return !managedResources?.length || managedResources.some(r => asksFor(pod.requests, r.name));
  }

  /** A status only when it failed and must not. */
  async filter(pod: Pod, nodes: readonly NodeInfo[]): Promise<ExtenderFilterResult | Status> {
    const { filterVerb, ignorable } = this.#config;
    if (!filterVerb) return { nodes, failed: new Map() };
    try {
      const answer = (await this.#send(filterVerb, this.#args(pod, nodes))) as FilterAnswer;
      if (answer.error) throw new Error(answer.error);
      const names = new Set(answer.nodenames ?? answer.nodes?.items?.map(n => n.metadata.name!) ?? []);
      const failed = new Map<string, Status>();
      for (const [node, why] of Object.entries(answer.failedNodes ?? {}))
        failed.set(node, new Status('Unschedulable', [why]));
      for (const [node, why] of Object.entries(answer.failedAndUnresolvableNodes ?? {}))
        failed.set(node, new Status('UnschedulableAndUnresolvable', [why]));
      return { nodes: nodes.filter(n => names.has(n.name)), failed };
    } catch (error) {
      return ignorable ? { nodes, failed: new Map() } : errorStatus('', error);
    }
  }

  /** By node name, on the scale of plugins; empty when it fails: that only costs its opinion. */
  async prioritize(pod: Pod, nodes: readonly NodeInfo[]): Promise<ReadonlyMap<string, number>> {
    const { prioritizeVerb, weight = 1 } = this.#config;
    const scores = new Map<string, number>();
    if (!prioritizeVerb) return scores;
    try {
      const answer = await this.#send(prioritizeVerb, this.#args(pod, nodes));
      for (const { host, score } of answer as { host: string; score: number }[])
        scores.set(host, score * weight * scale);
    } catch {
      scores.clear();
    }
    return scores;
  }

  async bind({ pod }: PodInfo, node: string): Promise<Status | undefined> {
    const { name: podName, namespace: podNamespace, uid: podUID } = pod.metadata;
    try {
      const body = { podName, podNamespace, podUID, node };
      const { error } = ((await this.#send(this.#config.bindVerb!, body)) ?? {}) as { error?: string };
      if (error) throw new Error(error);
      return undefined;
    } catch (error) {
      return errorStatus('', new Error(`binding with extender ${this.name}: ${messageOf(error)}`, { cause: error }));
    }
  }

  #args(pod: Pod, nodes: readonly NodeInfo[]): object {
    if (this.#config.nodeCacheCapable) return { pod, nodenames: nodes.map(n => n.name) };
    return { pod, nodes: { kind: 'NodeList', apiVersion: 'v1', metadata: {}, items: nodes.map(n => n.node) } };
  }

  async #send(verb: string, body: unknown): Promise<unknown> {
    const abort = new AbortController();
    const timer = this.#clock.after(durationMs(this.#config.httpTimeout), () =>
      abort.abort(new Error('context deadline exceeded')),
    );
    try {
      return await this.#post(`${this.#config.urlPrefix.replace(/\/+$/, '')}/${verb}`, body, abort.signal);
    } finally {
      timer.cancel();
    }
  }
}

const asksFor = (r: Resources, name: string): boolean => resourceValue(r, name) > 0 || !!r.scalar?.has(name);
