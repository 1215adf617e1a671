// What other servers say they serve, so far as it counts: custom resources and aggregated APIs are known from the
// store, which is this server's own as well.
import type { Clock } from '../../base/clock.ts';
import type { Location } from '../aggregation/remote-server.ts';
import { type GroupEntry, mergeGroups, nameOf } from './kernel/merge-discovery.ts';

export interface Peer {
  readonly location: Location;
  /** As `/api` and `/apis` show them. */
  readonly core: readonly GroupEntry[];
  readonly groups: readonly GroupEntry[];
}

interface Counted extends Peer {
  readonly name: string;
  /** `group/version/resource`. */
  readonly served: ReadonlySet<string>;
}

export interface KnownPeersDeps {
  readonly clock: Pick<Clock, 'monotonic'>;
  /** Of this server among them. */
  readonly identity: string;
  /** `group/version` of custom resources and of aggregated APIs there are; the same set while nothing changes. */
  readonly shared: () => ReadonlySet<string>;
}

// Another server may have told of one that is gone before it saw that itself.
const graceMs = 30_000;

export class KnownPeers {
  readonly #deps: KnownPeersDeps;
  #said: ReadonlyMap<string, Peer> = new Map();
  #text = '';
  #shared: ReadonlySet<string> = new Set();
  readonly #goneMs = new Map<string, number>();
  #counted: readonly Counted[] | undefined;
  #revision = 0;

  constructor(deps: KnownPeersDeps) {
    this.#deps = deps;
  }

  get(name: string): Peer | undefined {
    return this.#said.get(name);
  }

  replace(peers: ReadonlyMap<string, Peer>): void {
    this.look();
    const text = JSON.stringify([...peers].map(([name, { core, groups }]) => [name, core, groups]));
    this.#said = peers;
    this.#counted = undefined;
    if (text !== this.#text) this.#forget();
    this.#text = text;
  }

  /** Moves when `merge` may come to something else. */
  get revision(): number {
    this.look();
    return this.#revision;
  }

  /** Who serves `group/version/resource`. */
  serving(id: string): readonly Peer[] {
    return this.#all().filter(({ served }) => served.has(id));
  }

  /** What all servers serve. */
  merge(own: readonly GroupEntry[], core: boolean): readonly GroupEntry[] {
    const others = this.#all().map(peer => [peer.name, core ? peer.core : peer.groups] as const);
    return others.length ? mergeGroups(new Map([...others, [this.#deps.identity, own]])) : own;
  }

  #all(): readonly Counted[] {
    this.look();
    this.#counted ??= [...this.#said].map(([name, peer]) => {
      const core = this.#without(peer.core);
      const groups = this.#without(peer.groups);
      return { ...peer, name, core, groups, served: new Set([...core, ...groups].flatMap(idsIn)) };
    });
    return this.#counted;
  }

  #without(groups: readonly GroupEntry[]): GroupEntry[] {
    return groups.flatMap(group => {
      const versions = group.versions.filter(({ version }) => {
        const id = `${nameOf(group)}/${version}`;
        return !this.#shared.has(id) && !this.#goneMs.has(id);
      });
      return versions.length ? [{ ...group, versions }] : [];
    });
  }

  /** Sees what is shared now, so that it is known when it is gone: before others are asked, and at each use. */
  look(): void {
    const nowMs = this.#deps.clock.monotonic();
    for (const [id, atMs] of this.#goneMs)
      if (nowMs - atMs >= graceMs) {
        this.#goneMs.delete(id);
        this.#forget();
      }
    const shared = this.#deps.shared();
    if (shared === this.#shared) return;
    for (const id of this.#shared) if (!shared.has(id)) this.#goneMs.set(id, nowMs);
    for (const id of shared) this.#goneMs.delete(id);
    this.#shared = shared;
    this.#forget();
  }

  #forget(): void {
    this.#counted = undefined;
    this.#revision++;
  }
}

const idsIn = (group: GroupEntry): string[] =>
  group.versions.flatMap(({ version, resources = [] }) =>
    resources.map(({ resource }) => `${nameOf(group)}/${version}/${resource}`),
  );
