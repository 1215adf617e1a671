// A pod with what scheduling asks of it again and again, computed once.
import { type Selector, selectorFromLabelSelector } from '../api/label-selector.ts';
import { keyOf, parseTime } from '../api/meta.ts';
import type { ObjectReference, Pod, PodAffinityTerm, WeightedPodAffinityTerm } from '../api/type/core-v1.ts';
import { type HostPort, hostPortsOf } from './kernel/host-ports.ts';
import { podRequests, type Resources } from './kernel/resources.ts';

export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

const noLabels: Readonly<Record<string, string>> = {};

/** Which other pods a term of pod affinity is about, and where. */
export class AffinityTerm {
  readonly topologyKey: string;
  readonly selector: Selector;
  readonly namespaces: ReadonlySet<string>;
  /** Namespaces by label, besides the named ones. */
  readonly namespaceSelector: Selector | undefined;
  /** The same for terms that mean the same. */
  readonly key: string;

  constructor(pod: Pod, term: PodAffinityTerm) {
    this.topologyKey = term.topologyKey;
    this.selector = selectorFromLabelSelector(term.labelSelector);
    const own = !term.namespaces?.length && !term.namespaceSelector;
    this.namespaces = new Set(own ? [pod.metadata.namespace ?? ''] : (term.namespaces ?? []));
    this.namespaceSelector = term.namespaceSelector ? selectorFromLabelSelector(term.namespaceSelector) : undefined;
    const by = this.namespaceSelector ? JSON.stringify(term.namespaceSelector) : '';
    this.key = `${[...this.namespaces].sort()}|${by}|${term.labelSelector ? this.selector : '<none>'}`;
  }

  matches(other: PodInfo, namespaceLabels: NamespaceLabels): boolean {
    return this.#inNamespace(other.namespace, namespaceLabels) && this.selector.matches(other.labels);
  }

  #inNamespace(namespace: string, namespaceLabels: NamespaceLabels): boolean {
    if (this.namespaces.has(namespace)) return true;
    if (!this.namespaceSelector) return false;
    return this.namespaceSelector.empty || this.namespaceSelector.matches(namespaceLabels(namespace));
  }
}

export interface WeightedTerm {
  readonly weight: number;
  readonly term: AffinityTerm;
}

const infos = new WeakMap<Pod, PodInfo>();

/** The one PodInfo of this very object. */
export function podInfoOf(pod: Pod): PodInfo {
  let info = infos.get(pod);
  if (!info) {
    info = new PodInfo(pod);
    infos.set(pod, info);
  }
  return info;
}

const noTerms: readonly AffinityTerm[] = [];
const noWeighted: readonly WeightedTerm[] = [];

/** Immutable; made by podInfoOf. */
export class PodInfo {
  readonly pod: Pod;
  /** namespace/name. */
  readonly key: string;
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly terminating: boolean;
  readonly requiredAffinity: readonly AffinityTerm[] = noTerms;
  readonly requiredAntiAffinity: readonly AffinityTerm[] = noTerms;
  readonly preferredAffinity: readonly WeightedTerm[] = noWeighted;
  readonly preferredAntiAffinity: readonly WeightedTerm[] = noWeighted;
  #requests: Resources | undefined;
  /** null: has not started. */
  #startMs: number | null | undefined;
  #placed: Resources | undefined;
  #scored: Resources | undefined;
  #ports: readonly HostPort[] | undefined;
  #claims: readonly string[] | undefined;
  /** Fragments that plugins signed it with, by plugin; see framework.ts. */
  signature: string | undefined;

  constructor(pod: Pod) {
    const { metadata, spec } = pod;
    this.pod = pod;
    this.key = keyOf(pod);
    this.name = metadata.name ?? '';
    this.namespace = metadata.namespace ?? '';
    this.uid = metadata.uid || this.key;
    this.labels = metadata.labels ?? noLabels;
    this.priority = spec.priority ?? 0;
    this.terminating = !!metadata.deletionTimestamp;
    const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
    const plain = (t: PodAffinityTerm) => new AffinityTerm(pod, t);
    const weighted = (w: WeightedPodAffinityTerm) => ({ weight: w.weight, term: plain(w.podAffinityTerm) });
    if (podAffinity) {
      this.requiredAffinity = (podAffinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(plain);
      this.preferredAffinity = (podAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weighted);
    }
    if (podAntiAffinity) {
      this.requiredAntiAffinity = (podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(plain);
      this.preferredAntiAffinity = (podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
        weighted,
      );
    }
  }

  /** For events about it. */
  get reference(): ObjectReference {
    const { namespace, name, uid, resourceVersion } = this.pod.metadata;
    return { kind: 'Pod', apiVersion: 'v1', namespace, name, uid, resourceVersion } as ObjectReference;
  }

  /** To be placed: what the spec asks for. */
  get requests(): Resources {
    this.#requests ??= podRequests(this.pod);
    return this.#requests;
  }

  /** Placed: what it holds on its node, resizes under way included. */
  get held(): Resources {
    this.#placed ??= this.pod.status?.containerStatuses?.length
      ? podRequests(this.pod, { withStatus: true })
      : this.requests;
    return this.#placed;
  }

  /** As `held`, with scoring's defaults for containers that ask for nothing. */
  get scored(): Resources {
    this.#scored ??= podRequests(this.pod, { withDefaults: true, withStatus: true });
    return this.#scored;
  }

  get hostPorts(): readonly HostPort[] {
    this.#ports ??= hostPortsOf(this.pod);
    return this.#ports;
  }

  /** Names of the claims its volumes use, those of ephemeral volumes included. */
  get claims(): readonly string[] {
    this.#claims ??= (this.pod.spec.volumes ?? []).flatMap(v =>
      v.persistentVolumeClaim ? [v.persistentVolumeClaim.claimName] : v.ephemeral ? [`${this.name}-${v.name}`] : [],
    );
    return this.#claims;
  }

  get hasAffinity(): boolean {
    return (
      this.requiredAffinity.length +
        this.requiredAntiAffinity.length +
        this.preferredAffinity.length +
        this.preferredAntiAffinity.length >
      0
    );
  }

  /** Milliseconds; a pod that has not started counts as starting now. */
  startMs(nowMs: number): number {
    if (this.#startMs === undefined) this.#startMs = parseTime(this.pod.status?.startTime) ?? null;
    return this.#startMs ?? nowMs;
  }
}
