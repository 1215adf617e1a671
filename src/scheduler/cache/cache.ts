// Nodes with their pods as the scheduler believes them to be: what the API server told, plus pods it has placed itself
// and not yet seen placed (assumed). A scheduling cycle is synchronous, so the cache is the cycle's snapshot.
import type { Node } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { sameResources } from '../kernel/resources.ts';
import { sameMap } from '../kernel/same.ts';
import type { PodInfo } from '../pod-info.ts';
import { type ImageState, NodeInfo } from './node-info.ts';
import { NodeTree } from './node-tree.ts';
import { type NodeCounts, PodCounter } from './pod-counter.ts';
import { type PlacedTerm, TermIndex, type TermKind } from './term-index.ts';

interface PodState {
  info: PodInfo;
  node: string;
  assumed: boolean;
  /** Set when binding has ended; an assumed pod not seen by then is taken away again. */
  expiresMs: number | undefined;
}

export interface CacheOptions {
  readonly clock: Clock;
  /** How long an assumed pod whose binding succeeded may stay unseen. Default 0: for ever, as Kubernetes. */
  readonly assumedPodTtlMs?: number;
}

export class Cache {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #infos = new Map<string, NodeInfo>();
  readonly #freeSlots: number[] = [];
  readonly #tree = new NodeTree();
  #list: readonly NodeInfo[] | undefined;
  readonly #pods = new Map<string, PodState>();
  #assumed = 0;
  readonly #images = new Map<string, ImageState>();
  readonly #counter = new PodCounter();
  readonly #terms = new TermIndex(name => this.#infos.get(name));
  /** Differs when nodes came or went, changed places, or images did. */
  nodesGeneration = 0;

  constructor(options: CacheOptions) {
    this.#clock = options.clock;
    this.#ttlMs = options.assumedPodTtlMs ?? 0;
  }

  /** The nodes that exist, one of each zone in turn. Never changed: a change makes a new array. */
  get nodes(): readonly NodeInfo[] {
    if (!this.#list) {
      this.#list = this.#tree.list().map(name => this.#infos.get(name)!);
    }
    return this.#list;
  }

  /** All slots are below. */
  get slots(): number {
    return this.#infos.size + this.#freeSlots.length;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  get assumedCount(): number {
    return this.#assumed;
  }

  /** A node that exists. */
  node(name: string): NodeInfo | undefined {
    const info = this.#infos.get(name);
    return info?.node && info;
  }

  /** See PodCounter. */
  count(key: string, namespaces: readonly string[], matches: (pod: PodInfo) => boolean): NodeCounts {
    return this.#counter.ask(key, namespaces, matches, this.#infos.values());
  }

  /** See PodCounter. */
  countByDomain(key: string, namespaces: readonly string[], matches: (pod: PodInfo) => boolean, label: string) {
    return this.#counter.askByDomain(key, namespaces, matches, label, () => this.#infos.values());
  }

  /** See TermIndex. */
  placedTerms(kind: TermKind): Iterable<PlacedTerm> {
    return this.#terms.of(kind);
  }

  #forgetDomains(): void {
    this.#counter.forgetDomains();
    this.#terms.forgetDomains();
  }

  setNode(node: Node): void {
    const info = this.#info(node.metadata.name!);
    const fresh = !info.node;
    if (fresh || !sameMap(info.labels, node.metadata.labels)) this.#forgetDomains();
    info.setNode(node);
    const imagesChanged = this.#setImages(info);
    if (this.#tree.set(node) || fresh) this.#list = undefined;
    if (!this.#list || imagesChanged) this.nodesGeneration++;
  }

  removeNode(name: string): void {
    const info = this.#infos.get(name);
    if (!info?.node) return;
    this.#forgetDomains();
    info.setNode(undefined);
    this.#setImages(info);
    this.#tree.delete(name);
    this.#list = undefined;
    this.nodesGeneration++;
    // Pods may still be told of; the last of them takes the entry along.
    if (info.pods.size === 0) this.#drop(info);
  }

  isAssumed(uid: string): boolean {
    return this.#pods.get(uid)?.assumed ?? false;
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  nodeOf(uid: string): string | undefined {
    return this.#pods.get(uid)?.node;
  }

  get pods(): IterableIterator<{ readonly info: PodInfo; readonly node: string; readonly assumed: boolean }> {
    return this.#pods.values();
  }

  /** Places a pod before the API server knows. */
  assume(info: PodInfo, node: string): void {
    if (this.#pods.has(info.uid)) throw new Error(`pod ${info.key} is in the cache, so can't be assumed`);
    this.#put(info, node, true);
  }

  finishBinding(uid: string): void {
    const state = this.#pods.get(uid);
    if (!state?.assumed || this.#ttlMs === 0) return;
    state.expiresMs = this.#clock.monotonic() + this.#ttlMs;
  }

  forget(uid: string): void {
    if (this.#pods.get(uid)?.assumed) this.#take(uid);
  }

  /** A pod the API server says is placed; new, changed, or assumed before. */
  setPod(info: PodInfo): void {
    const node = info.pod.spec.nodeName!;
    const known = this.#pods.get(info.uid);
    if (known?.node === node && takesTheSame(known.info, info)) {
      if (known.assumed) this.#assumed--;
      this.#pods.set(info.uid, { info, node, assumed: false, expiresMs: undefined });
      const on = this.#infos.get(node)!;
      on.replacePod(info);
      // Preemption goes by who started first.
      if (known.info.pod.status?.startTime !== info.pod.status?.startTime) on.touch();
      return;
    }
    if (known) this.#take(info.uid);
    this.#put(info, node, false);
  }

  removePod(uid: string): void {
    this.#take(uid);
  }

  /** Takes away assumed pods that were never seen placed; returns them. */
  expire(): PodInfo[] {
    const now = this.#clock.monotonic();
    const gone = [...this.#pods.values()].filter(s => s.assumed && s.expiresMs !== undefined && s.expiresMs <= now);
    for (const s of gone) this.#take(s.info.uid);
    return gone.map(s => s.info);
  }

  #info(name: string): NodeInfo {
    let info = this.#infos.get(name);
    if (!info) {
      info = new NodeInfo(name);
      info.slot = this.#freeSlots.pop() ?? this.#infos.size;
      this.#infos.set(name, info);
    }
    return info;
  }

  #drop(info: NodeInfo): void {
    this.#infos.delete(info.name);
    this.#freeSlots.push(info.slot);
  }

  #put(info: PodInfo, node: string, assumed: boolean): void {
    const on = this.#info(node);
    on.addPod(info);
    this.#pods.set(info.uid, { info, node, assumed, expiresMs: undefined });
    if (assumed) this.#assumed++;
    if (info.hasAffinity) this.#terms.changed(info, on, 1);
    this.#counter.changed(info, on, 1);
  }

  #take(uid: string): void {
    const state = this.#pods.get(uid);
    if (!state) return;
    this.#pods.delete(uid);
    if (state.assumed) this.#assumed--;
    const on = this.#infos.get(state.node)!;
    on.removePod(uid);
    if (state.info.hasAffinity) this.#terms.changed(state.info, on, -1);
    this.#counter.changed(state.info, on, -1);
    if (!on.node && on.pods.size === 0) this.#drop(on);
  }

  /** True when the node's images changed. */
  #setImages(info: NodeInfo): boolean {
    const now = new Map<string, number>();
    for (const image of info.node?.status?.images ?? [])
      for (const name of image.names ?? []) now.set(name, Number(image.sizeBytes ?? 0));
    let changed = now.size !== info.images.size;
    const next = new Map<string, ImageState>();
    for (const [name, sizeBytes] of now) {
      const state = this.#images.getOrInsertComputed(name, () => ({ sizeBytes, nodes: new Set() }));
      if (state.sizeBytes !== sizeBytes || !state.nodes.has(info.name)) changed = true;
      state.sizeBytes = sizeBytes;
      state.nodes.add(info.name);
      next.set(name, state);
    }
    for (const [name, state] of info.images) {
      if (now.has(name)) continue;
      changed = true;
      state.nodes.delete(info.name);
      if (state.nodes.size === 0) this.#images.delete(name);
    }
    if (changed) info.images = next;
    return changed;
  }
}

/** Nothing that filters, scores or counts look at differs; node, ports, claims and affinity of a placed pod never do. */
const takesTheSame = (a: PodInfo, b: PodInfo): boolean =>
  a.terminating === b.terminating &&
  sameMap(a.labels, b.labels) &&
  sameResources(a.held, b.held) &&
  sameResources(a.scored, b.scored);
