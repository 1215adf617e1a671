import type { Node, Taint } from '../../api/type/core-v1.ts';
import { HostPortSet } from '../kernel/host-ports.ts';
import {
  accumulate,
  capacityOf,
  cloneResources,
  emptyResources,
  type NodeCapacity,
  type Resources,
} from '../kernel/resources.ts';
import type { PodInfo } from '../pod-info.ts';

/** An image somewhere in the cluster. */
export interface ImageState {
  sizeBytes: number;
  /** Names of the nodes that have it. */
  readonly nodes: Set<string>;
}

let lastGeneration = 0;

const noTaints: readonly Taint[] = [];

/** A node with what its pods take of it. `generation` differs after every change, over all nodes. */
export class NodeInfo {
  readonly name: string;
  /** Absent while only pods of it are known. */
  node: Node | undefined;
  labels: Readonly<Record<string, string>> = {};
  taints: readonly Taint[] = noTaints;
  allocatable: NodeCapacity = { ...emptyResources(), pods: 0 };
  /** By uid. */
  readonly pods = new Map<string, PodInfo>();
  readonly requested: Resources;
  /** Requests with scoring's defaults. */
  readonly scored: Resources;
  readonly ports: HostPortSet;
  images: ReadonlyMap<string, ImageState> = new Map();
  /** How many pods use a claim, by namespace/name. */
  readonly claims = new Map<string, number>();
  generation = ++lastGeneration;
  /** A small number no other node of the cache has while this one exists. */
  slot = -1;

  constructor(name: string, from?: NodeInfo) {
    this.name = name;
    this.requested = from ? cloneResources(from.requested) : emptyResources();
    this.scored = from ? cloneResources(from.scored) : emptyResources();
    this.ports = new HostPortSet(from?.ports);
    if (!from) return;
    this.node = from.node;
    this.labels = from.labels;
    this.taints = from.taints;
    this.allocatable = from.allocatable;
    this.images = from.images;
    for (const [uid, pod] of from.pods) this.pods.set(uid, pod);
    for (const [claim, count] of from.claims) this.claims.set(claim, count);
  }

  /** A copy to try things on. */
  clone(): NodeInfo {
    return new NodeInfo(this.name, this);
  }

  setNode(node: Node | undefined): void {
    this.node = node;
    this.labels = node?.metadata.labels ?? {};
    this.taints = node?.spec?.taints ?? noTaints;
    this.allocatable = capacityOf(node?.status?.allocatable);
    this.touch();
  }

  touch(): void {
    this.generation = ++lastGeneration;
  }

  addPod(pod: PodInfo): void {
    this.pods.set(pod.uid, pod);
    this.#account(pod, 1);
  }

  removePod(uid: string): PodInfo | undefined {
    const pod = this.pods.get(uid);
    if (!pod) return undefined;
    this.pods.delete(uid);
    this.#account(pod, -1);
    return pod;
  }

  /** The same pod, changed in nothing that counts: no new generation. */
  replacePod(pod: PodInfo): void {
    this.pods.set(pod.uid, pod);
  }

  #account(pod: PodInfo, sign: 1 | -1): void {
    accumulate(this.requested, pod.held, sign);
    accumulate(this.scored, pod.scored, sign);
    for (const port of pod.hostPorts) sign > 0 ? this.ports.add(port) : this.ports.remove(port);
    for (const claim of pod.claims) this.#countClaim(`${pod.namespace}/${claim}`, sign);
    this.touch();
  }

  #countClaim(key: string, sign: number): void {
    const count = (this.claims.get(key) ?? 0) + sign;
    if (count > 0) this.claims.set(key, count);
    else this.claims.delete(key);
  }
}
