// Extenders: judges of nodes behind a web hook, asked about pods after the framework's own filters.
import type { Node, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { NodeInfo } from './cache/node-info.ts';
import type { ExtenderConfig, PostJson } from './extender-config.ts';
import { extenderTransport } from './extender-transport.ts';
import type { PreemptionChoice, Preemptor } from './framework.ts';
import { type Resources, resourceValue } from './kernel/resources.ts';
import type { PodInfo } from './pod-info.ts';
import { errorStatus, Status } from './status.ts';

interface FilterAnswer {
  readonly nodes?: { readonly items?: readonly Node[] };
  readonly nodenames?: readonly string[];
  readonly failednodes?: Readonly<Record<string, string>>;
  readonly failedandunresolvablenodes?: Readonly<Record<string, string>>;
  readonly error?: string;
}

interface PreemptAnswer {
  readonly nodenametometavictims?: Readonly<Record<string, object>>;
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

export class Extender implements Preemptor {
  readonly #config: ExtenderConfig;
  readonly #clock: Clock;
  readonly #post: PostJson;

  constructor(config: ExtenderConfig, clock: Clock, post: PostJson = extenderTransport(config)) {
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
      const answer = folded(await this.#send(filterVerb, this.#args(pod, nodes))) as FilterAnswer;
      if (answer.error) throw new Error(answer.error);
      const names = new Set(answer.nodenames ?? answer.nodes?.items?.map(n => n.metadata.name!) ?? []);
      const failed = new Map<string, Status>();
      for (const [node, why] of Object.entries(answer.failednodes ?? {}))
        failed.set(node, new Status('Unschedulable', [why]));
      for (const [node, why] of Object.entries(answer.failedandunresolvablenodes ?? {}))
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
      for (const one of answer as object[]) {
        const { host, score } = folded(one) as { host: string; score: number };
        scores.set(host, score * weight * scale);
      }
    } catch {
      scores.clear();
    }
    return scores;
  }

  async bind({ pod }: PodInfo, node: string): Promise<Status | undefined> {
    const { name: podName, namespace: podNamespace, uid: podUID } = pod.metadata;
    try {
      const body = { PodName: podName, PodNamespace: podNamespace, PodUID: podUID, Node: node };
      const { error } = folded(await this.#send(this.#config.bindVerb!, body)) as { error?: string };
      if (error) throw new Error(error);
      return undefined;
    } catch (error) {
      return errorStatus('', new Error(`binding with extender ${this.name}: ${messageOf(error)}`, { cause: error }));
    }
  }

  get preempts(): boolean {
    return !!this.#config.preemptVerb;
  }

  get ignorable(): boolean {
    return this.#config.ignorable === true;
  }

  async preempt(
    pod: Pod,
    choices: readonly PreemptionChoice[],
    podOn: (node: string, uid: string) => PodInfo | undefined,
  ): Promise<PreemptionChoice[]> {
    const of = (make: (c: PreemptionChoice) => object) => Object.fromEntries(choices.map(c => [c.node, make(c)]));
    const metas = (c: PreemptionChoice) => ({
      Pods: c.victims.map(v => ({ UID: v.uid })),
      NumPDBViolations: c.violations,
    });
    const full = (c: PreemptionChoice) => ({ Pods: c.victims.map(v => v.pod), NumPDBViolations: c.violations });
    const body = this.#config.nodeCacheCapable
      ? { Pod: pod, NodeNameToVictims: null, NodeNameToMetaVictims: of(metas) }
      : { Pod: pod, NodeNameToVictims: of(full), NodeNameToMetaVictims: null };
    const answer = folded(await this.#send(this.#config.preemptVerb!, body)) as PreemptAnswer;
    return Object.entries(answer.nodenametometavictims ?? {}).map(([node, meta]) => {
      const { pods, numpdbviolations: violations } = folded(meta) as { pods?: object[]; numpdbviolations?: number };
      const victims = (pods ?? []).map(p => {
        const { uid } = folded(p) as { uid: string };
        const victim = podOn(node, uid);
        if (!victim)
          throw new Error(
            `extender: ${this.name} claims to preempt pod (UID: ${uid}) on node: ${node}, but the pod is not found on that node`,
          );
        return victim;
      });
      return { node, victims, violations: violations ?? 0 };
    });
  }

  #args(pod: Pod, nodes: readonly NodeInfo[]): object {
    if (this.#config.nodeCacheCapable) return { Pod: pod, Nodes: null, NodeNames: nodes.map(n => n.name) };
    const items = nodes.map(n => n.node);
    return { Pod: pod, Nodes: { kind: 'NodeList', apiVersion: 'v1', metadata: {}, items }, NodeNames: null };
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

/** Fields of answers are matched without regard to case, as Go does. */
function folded(answer: unknown): object {
  const fields = Object.entries((answer ?? {}) as object).map(([name, value]) => [name.toLowerCase(), value]);
  return Object.fromEntries(fields) as object;
}

const asksFor = (r: Resources, name: string): boolean => resourceValue(r, name) > 0 || !!r.scalar?.has(name);
