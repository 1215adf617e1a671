// The Static policy: containers of Guaranteed pods have their memory on as few NUMA nodes as can be.
import { join } from 'node:path';
import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';
import { bytesOf } from '../kernel/amount.ts';
import { podTotal, qosClassOf } from '../kernel/qos.ts';
import { isSidecar } from '../kernel/restart-policy.ts';
import { StateFile } from '../state/state-file.ts';
import type { HintProvider } from '../topology/hint-provider.ts';
import type { Hint, Hints, NodeMask } from '../topology/kernel/hint.ts';
import type { MachineTopology } from '../topology/kernel/machine-topology.ts';
import type { ManagerMetrics } from '../topology/manager-metrics.ts';
import { type Amounts, MemoryBook, type ReservedMemory } from './kernel/memory-book.ts';
import { decodeMemoryState, encodeMemoryState, type MemoryBlock } from './kernel/memory-state.ts';

export interface MemoryManagerOptions {
  /** The kubelet's. */
  readonly root: string;
  readonly host: Host;
  readonly log: Log;
  readonly topology: MachineTopology;
  readonly reserved: ReservedMemory;
  readonly metrics: ManagerMetrics;
}

export const memoryStateFile = (root: string, host: Host, log: Log) =>
  new StateFile({
    ...{ path: join(root, 'memory_manager_state'), owner: 'Memory manager', host, log },
    ...{ encode: encodeMemoryState, decode: decodeMemoryState },
  });

const policyName = 'Static';

export class MemoryManager implements HintProvider {
  readonly #o: MemoryManagerOptions;
  readonly #file: ReturnType<typeof memoryStateFile>;
  readonly #book: MemoryBook;
  #changed = false;

  constructor(options: MemoryManagerOptions) {
    this.#o = options;
    this.#file = memoryStateFile(options.root, options.host, options.log);
    this.#book = new MemoryBook(options.topology, options.reserved);
  }

  /** Takes up what was given out before a restart. Rejects where that does not fit the machine or the configuration. */
  async restore(): Promise<void> {
    const state = await this.#file.read(policyName);
    if (state) this.#book.restore(state);
    await this.#file.write(() => this.#book.toState(policyName));
  }

  async save(): Promise<void> {
    if (!this.#changed) return;
    this.#changed = false;
    await this.#file.write(() => this.#book.toState(policyName));
  }

  blocks(uid: string, container: string): readonly MemoryBlock[] {
    return this.#book.blocks(uid, container).filter(b => b.size > 0);
  }

  allocatable(): readonly MemoryBlock[] {
    return this.#book.allocatable();
  }

  /** Undefined: from where the kernel likes. */
  nodesOf(uid: string, container: string): ReadonlySet<number> | undefined {
    const blocks = this.#book.blocks(uid, container);
    return blocks.length ? new Set(blocks.flatMap(b => b.numaAffinity)) : undefined;
  }

  // ---- giving and taking ----

  keepOnly(uids: ReadonlySet<string>): void {
    if (this.#book.keepOnly(uids)) this.#changed = true;
  }

  release(uid: string): void {
    if (this.#book.release(uid)) this.#changed = true;
  }

  allocate(pod: Pod, container: Container, nodes: NodeMask | undefined): void {
    const request = guaranteedMemory(pod, container);
    const uid = pod.metadata.uid ?? '';
    if (!request || this.#book.blocks(uid, container.name).length) return;
    const { metrics } = this.#o;
    metrics.count('memoryPinningRequests');
    try {
      this.#book.allocate(uid, container.name, request, nodes, endedBefore(pod, container));
      this.#changed = true;
    } catch (error) {
      metrics.count('memoryPinningErrors');
      throw error;
    }
  }

  // ---- hints ----

  containerHints(pod: Pod, container: Container): Hints {
    const request = guaranteedMemory(pod, container);
    if (!request) return {};
    const own = this.#book.blocks(pod.metadata.uid ?? '', container.name);
    return own.length ? held(own) : this.#hints(request);
  }

  podHints(pod: Pod): Hints {
    if (!isGuaranteed(pod)) return {};
    const names = new Set(pod.spec.containers.flatMap(c => Object.keys(guaranteedMemory(pod, c) ?? {})));
    for (const c of pod.spec.initContainers ?? [])
      for (const name of Object.keys(guaranteedMemory(pod, c) ?? {})) names.add(name);
    return this.#hints(
      Object.fromEntries([...names].map(name => [name, podTotal({ ...pod.spec, overhead: {} }, 'requests', name)])),
    );
  }

  #hints(request: Amounts): Hints {
    const hints = this.#book.hints(request);
    return Object.fromEntries(Object.keys(request).map(name => [name, hints]));
  }
}

const isGuaranteed = (pod: Pod): boolean =>
  !(pod.spec.resources?.requests ?? pod.spec.resources?.limits) && qosClassOf(pod) === 'Guaranteed';

/** Memory that the container is to have for itself; undefined: it takes of what all share. */
function guaranteedMemory(pod: Pod, { resources }: Container): Amounts | undefined {
  if (!isGuaranteed(pod)) return undefined;
  const all = Object.entries({ ...resources?.limits, ...resources?.requests })
    .filter(([name]) => name === 'memory' || name.startsWith('hugepages-'))
    .map(([name, quantity]) => [name, bytesOf(quantity)] as const)
    .filter(([, bytes]) => bytes > 0);
  return all.length ? Object.fromEntries(all) : undefined;
}

/** Init containers that are over when this one runs. */
function endedBefore({ spec }: Pod, { name }: Container): readonly string[] {
  const inits = spec.initContainers ?? [];
  const at = inits.findIndex(c => c.name === name);
  return (at < 0 ? inits : inits.slice(0, at)).filter(c => !isSidecar(c)).map(c => c.name);
}

const held = (blocks: readonly MemoryBlock[]): Hints =>
  Object.fromEntries(
    blocks.map(b => {
      const nodes = b.numaAffinity.reduce((mask, id) => mask | (2 ** id), 0);
      return [b.type, [{ nodes, preferred: true } satisfies Hint]];
    }),
  );
