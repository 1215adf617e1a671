// Which devices plugins offer, and which containers hold them. No I/O: who changes the book saves it.

import type { Container, Pod } from '../../../api/type/core-v1.ts';
import { isSidecar } from '../../kernel/restart-policy.ts';
import { maskOf, type NodeMask } from '../../topology/kernel/hint.ts';

/** What a plugin wants in a container that holds its devices; names of deviceplugin v1beta1. */
export interface ContainerAllocation {
  readonly envs?: Readonly<Record<string, string>>;
  readonly mounts?: readonly {
    readonly container_path?: string;
    readonly host_path?: string;
    readonly read_only?: boolean;
  }[];
  readonly devices?: readonly {
    readonly container_path?: string;
    readonly host_path?: string;
    readonly permissions?: string;
  }[];
  readonly annotations?: Readonly<Record<string, string>>;
  readonly cdi_devices?: readonly { readonly name?: string }[];
}

export interface OfferedDevice {
  readonly id: string;
  readonly healthy: boolean;
  readonly numaNodes: readonly number[];
}

export interface Assignment {
  readonly podUid: string;
  readonly container: string;
  readonly resource: string;
  readonly ids: readonly string[];
  readonly allocation: ContainerAllocation;
}

export interface Choice {
  /** Devices that were an earlier container's of the same pod. */
  readonly reused: readonly string[];
  /** How many more are needed, of `available`. */
  readonly missing: number;
  readonly available: readonly string[];
}

/** By resource. */
export type Counts = Readonly<Record<string, number>>;

export class DeviceBook {
  readonly #devices = new Map<string, ReadonlyMap<string, OfferedDevice>>();
  /** By pod, container and resource. */
  readonly #held = new Map<string, Map<string, Map<string, Assignment>>>();

  /** Resources that plugins have offered, those without devices included. */
  get resources(): readonly string[] {
    return [...this.#devices.keys()].sort();
  }

  devices(resource: string): readonly OfferedDevice[] {
    return [...(this.#devices.get(resource)?.values() ?? [])];
  }

  device(resource: string, id: string): OfferedDevice | undefined {
    return this.#devices.get(resource)?.get(id);
  }

  /** Whether devices of it are this node's to give. */
  isManaged(resource: string): boolean {
    return this.#devices.has(resource) || this.assignments().some(a => a.resource === resource);
  }

  /** Returns the ids whose health is another one than before. */
  offer(resource: string, devices: readonly OfferedDevice[]): ReadonlySet<string> {
    const before = this.#devices.get(resource);
    const after = new Map(devices.map(d => [d.id, d]));
    this.#devices.set(resource, after);
    const ids = [...(before?.keys() ?? []), ...after.keys()];
    return new Set(ids.filter(id => before?.get(id)?.healthy !== after.get(id)?.healthy));
  }

  /** The plugin is away: nothing of it may be given out. */
  doubt(resource: string): ReadonlySet<string> {
    return this.offer(
      resource,
      this.devices(resource).map(d => ({ ...d, healthy: false })),
    );
  }

  forget(resource: string): void {
    this.#devices.delete(resource);
  }

  /** All devices count as capacity, healthy ones as allocatable. */
  counts(): { readonly capacity: Counts; readonly allocatable: Counts } {
    const capacity: Record<string, number> = {};
    const allocatable: Record<string, number> = {};
    for (const resource of this.resources) {
      const devices = this.devices(resource);
      capacity[resource] = devices.length;
      allocatable[resource] = devices.filter(d => d.healthy).length;
    }
    return { capacity, allocatable };
  }

  assignments(): readonly Assignment[] {
    return [...this.#held.values()].flatMap(pod => [...pod.values()].flatMap(c => [...c.values()]));
  }

  /** In the order of their resources' names. */
  ofContainer(podUid: string, container: string): readonly Assignment[] {
    const held = this.#held.get(podUid)?.get(container)?.values() ?? [];
    return [...held].sort((a, b) => (a.resource < b.resource ? -1 : 1));
  }

  find(podUid: string, container: string, resource: string): Assignment | undefined {
    return this.#held.get(podUid)?.get(container)?.get(resource);
  }

  assign(assignment: Assignment): void {
    this.#held
      .getOrInsertComputed(assignment.podUid, () => new Map())
      .getOrInsertComputed(assignment.container, () => new Map())
      .set(assignment.resource, assignment);
  }

  release(podUid: string): boolean {
    return this.#held.delete(podUid);
  }

  /** Frees what is held by other pods than these. True when that was something. */
  keepOnly(podUids: ReadonlySet<string>): boolean {
    const gone = [...this.#held.keys()].filter(uid => !podUids.has(uid));
    for (const uid of gone) this.#held.delete(uid);
    return gone.length > 0;
  }

  /** What earlier init containers of the pod had: they have ended when this one runs, unless they run on beside it. */
  reusable({ metadata, spec }: Pod, container: Container, resource: string): ReadonlySet<string> {
    const of = (containers: readonly Container[]) =>
      new Set(containers.flatMap(c => this.find(metadata.uid ?? '', c.name, resource)?.ids ?? []));
    const inits = spec.initContainers ?? [];
    const at = inits.findIndex(c => c.name === container.name);
    const before = (at < 0 ? inits : inits.slice(0, at)).filter(c => !isSidecar(c));
    return of(before).difference(of([...inits.filter(isSidecar), ...spec.containers]));
  }

  /** Those of them that lie on the nodes; all where nobody cares. */
  near(resource: string, ids: readonly string[], nodes: NodeMask | undefined): readonly string[] {
    if (nodes === undefined) return ids;
    return ids.filter(id => maskOf(this.device(resource, id)?.numaNodes ?? []) & nodes);
  }

  inUse(resource: string): ReadonlySet<string> {
    return new Set(this.assignments().flatMap(a => (a.resource === resource ? a.ids : [])));
  }

  /**
   * What a container that asks for so many devices can have. Undefined when it has them already; throws, in Kubernetes'
   * words, why it cannot have them.
   */
  choose(
    holder: { readonly podUid: string; readonly container: string; readonly resource: string },
    required: number,
    reusable: ReadonlySet<string>,
  ): Choice | undefined {
    const { podUid, container, resource } = holder;
    const own = this.find(podUid, container, resource);
    if (own && own.ids.length !== required)
      throw new Error(
        `pod ${JSON.stringify(podUid)} container ${JSON.stringify(container)} changed request for resource ${JSON.stringify(resource)} from ${own.ids.length} to ${required}`,
      );
    const healthy = this.devices(resource).filter(d => d.healthy);
    if (!this.#devices.has(resource)) throw new Error(`cannot allocate unregistered device ${resource}`);
    if (!healthy.length) throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
    if (own?.ids.some(id => !this.device(resource, id)?.healthy))
      throw new Error(
        `previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`,
      );
    if (own) return undefined;
    const reused = [...reusable].sort().slice(0, required);
    const used = this.inUse(resource);
    const available = healthy.map(d => d.id).filter(id => !used.has(id));
    const missing = required - reused.length;
    if (available.length < missing)
      throw new Error(
        `requested number of devices unavailable for ${resource}. Requested: ${missing}, Available: ${available.length}`,
      );
    return { reused, missing, available: available.sort() };
  }
}
