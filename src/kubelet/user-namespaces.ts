// Which users of the machine the users of a pod are, for pods with a user namespace of their own: no two share one.
import { join } from 'node:path';
import type { Pod } from '../api/type/core-v1.ts';
import type { IDMapping } from '../cri/type.ts';
import type { Host } from './host/host.ts';
import type { PodPaths } from './pod-path.ts';

/** As Kubernetes keeps it in a pod's directory. */
interface Kept {
  readonly uidMappings: readonly KeptMapping[];
  readonly gidMappings: readonly KeptMapping[];
}
interface KeptMapping {
  readonly hostId: number;
  readonly containerId: number;
  readonly length: number;
}

export class UserNamespaces {
  readonly #host: Host;
  readonly #paths: PodPaths;
  /** By pod uid. */
  readonly #ranges = new Map<string, number>();
  /** Of a range; a multiple of 65536. */
  readonly #length: number;
  #restored: Promise<void> | undefined;

  constructor(host: Host, paths: PodPaths, length: number) {
    this.#host = host;
    this.#paths = paths;
    this.#length = length;
  }

  /** The pod's range, the same for as long as there is the pod. */
  async mappingOf({ metadata: { uid = '' } }: Pod): Promise<IDMapping> {
    this.#restored ??= this.#restore();
    await this.#restored;
    const known = this.#ranges.get(uid);
    const range = known ?? this.#free();
    if (known === undefined) {
      this.#ranges.set(uid, range);
      await this.#keep(uid, range).catch(error => {
        this.#ranges.delete(uid);
        throw error;
      });
    }
    return { host_id: this.#hostId(range), container_id: 0, length: this.#length };
  }

  /** The first range is the machine's own. */
  #hostId(range: number): number {
    return (range + 1) * this.#length;
  }

  /** The pod and its directory are gone. */
  release(uid: string): void {
    this.#ranges.delete(uid);
  }

  #free(): number {
    const taken = new Set(this.#ranges.values());
    let range = 0;
    while (taken.has(range)) range++;
    return range;
  }

  async #keep(uid: string, range: number): Promise<void> {
    const mappings = [{ hostId: this.#hostId(range), containerId: 0, length: this.#length }];
    const kept: Kept = { uidMappings: mappings, gidMappings: mappings };
    await this.#host.makeDirectory(this.#paths.pod(uid), 0o750);
    await this.#host.writeFile(this.#file(uid), JSON.stringify(kept), { mode: 0o600, atomic: true });
  }

  #file(uid: string): string {
    return join(this.#paths.pod(uid), 'userns');
  }

  async #restore(): Promise<void> {
    const uids = await this.#host.list(this.#paths.pods);
    await Promise.all(
      uids.map(async uid => {
        const text = await this.#host.readFile(this.#file(uid));
        const hostId = text === undefined ? undefined : (JSON.parse(text) as Kept).uidMappings[0]?.hostId;
        if (hostId !== undefined) this.#ranges.set(uid, Math.floor(hostId / this.#length) - 1);
      }),
    );
  }
}
