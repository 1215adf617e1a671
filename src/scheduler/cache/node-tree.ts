import type { Node } from '../../api/type/core-v1.ts';

/** Region and zone of a node, one string; '' without either. */
export function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  const region = labels['topology.kubernetes.io/region'] || labels['failure-domain.beta.kubernetes.io/region'] || '';
  const zone = labels['topology.kubernetes.io/zone'] || labels['failure-domain.beta.kubernetes.io/zone'] || '';
  return region || zone ? `${region}:\0:${zone}` : '';
}

/** Node names by zone, listed one of each zone in turn, so that any stretch of the list spreads over zones. */
export class NodeTree {
  readonly #zones = new Map<string, Set<string>>();
  readonly #zoneOfNode = new Map<string, string>();

  /** True when the order changed. */
  set(node: Node): boolean {
    const name = node.metadata.name!;
    const zone = zoneOf(node);
    const before = this.#zoneOfNode.get(name);
    if (before === zone) return false;
    if (before !== undefined) this.delete(name);
    this.#zones.getOrInsertComputed(zone, () => new Set()).add(name);
    this.#zoneOfNode.set(name, zone);
    return true;
  }

  delete(name: string): boolean {
    const zone = this.#zoneOfNode.get(name);
    if (zone === undefined) return false;
    const names = this.#zones.get(zone)!;
    names.delete(name);
    if (names.size === 0) this.#zones.delete(zone);
    this.#zoneOfNode.delete(name);
    return true;
  }

  list(): string[] {
    let open = [...this.#zones.values()].map(names => names.values());
    const out: string[] = [];
    while (open.length) {
      open = open.filter(names => {
        const next = names.next();
        if (!next.done) out.push(next.value);
        return !next.done;
      });
    }
    return out;
  }
}
