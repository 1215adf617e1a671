// The words the planner and the differ share. Pure.

/** An element of a set (no data) or a map. */
export interface Element {
  readonly set: string;
  /** As nft writes it: `10.96.0.1 . tcp . 80`. */
  readonly key: string;
  readonly data?: string;
}

export interface Chain {
  readonly name: string;
  readonly rules: readonly string[];
}

/** A set of its own, for session affinity. */
export interface DynamicSet {
  readonly name: string;
  readonly declaration: string;
}

/** What one owner (a service, the node) adds to the rules. */
export interface Contribution {
  readonly elements: readonly Element[];
  readonly chains: readonly Chain[];
  readonly sets: readonly DynamicSet[];
}

export const nothing: Contribution = { elements: [], chains: [], sets: [] };

export type Family = 4 | 6;

/** nft's words for an address family. */
export const wordsOf = (family: Family) =>
  family === 4
    ? ({ table: 'ip', address: 'ip', type: 'ipv4_addr' } as const)
    : ({ table: 'ip6', address: 'ip6', type: 'ipv6_addr' } as const);

export const tableName = 'k8ts-proxy';
