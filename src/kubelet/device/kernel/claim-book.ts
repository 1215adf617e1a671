// ResourceClaims that pods of this node use, and what their drivers have prepared. No I/O: who changes the book saves it.

export interface ClaimDevice {
  readonly driver: string;
  readonly pool: string;
  readonly device: string;
  /** Empty: of all requests. */
  readonly requests: readonly string[];
  readonly cdiDevices: readonly string[];
  readonly shareId?: string;
}

export interface ClaimEntry {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** Of its allocation; sorted. */
  readonly drivers: readonly string[];
  readonly podUids: readonly string[];
  /** All drivers have done their part. */
  readonly prepared: boolean;
  readonly devices: readonly ClaimDevice[];
}

const keyOf = (namespace: string, name: string) => `${namespace}/${name}`;

export class ClaimBook {
  readonly #claims = new Map<string, ClaimEntry>();

  get entries(): readonly ClaimEntry[] {
    return [...this.#claims.values()];
  }

  get(namespace: string, name: string): ClaimEntry | undefined {
    return this.#claims.get(keyOf(namespace, name));
  }

  set(entry: ClaimEntry): void {
    this.#claims.set(keyOf(entry.namespace, entry.name), entry);
  }

  delete(entry: ClaimEntry): void {
    this.#claims.delete(keyOf(entry.namespace, entry.name));
  }

  ofPod(podUid: string): readonly ClaimEntry[] {
    return this.entries.filter(e => e.podUids.includes(podUid));
  }

  podUids(): ReadonlySet<string> {
    return new Set(this.entries.flatMap(e => e.podUids));
  }
}

/** What `request` of a claim got; without one all of the claim. A request with alternatives is named before the slash. */
export function devicesOf(entry: ClaimEntry, request?: string): readonly ClaimDevice[] {
  if (!request) return entry.devices;
  const base = (name: string) => name.split('/')[0];
  return entry.devices.filter(d => !d.requests.length || d.requests.some(r => r === request || base(r) === request));
}
