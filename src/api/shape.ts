// Shapes of values as ownership sees them: what a schema says of who can own what.

/** How ownership sees a value: as one piece, or by its parts. `deduced` is free JSON: objects by field, lists whole. */
export type Shape = LeafShape | { readonly kind: 'set'; readonly item?: Shape } | MapShape | ListShape;

/** Owned as one piece; what is in it may have types of its own. */
export interface LeafShape {
  readonly kind: 'leaf';
  readonly scalar?: 'string' | 'numeric' | 'boolean' | 'any';
  /** Of a list. */
  readonly item?: Shape;
  /** Of a map. */
  readonly whole?: Shape;
}

export type MapShape =
  /** `plainStatus`: of a kind that has no status subresource, whose status is a field like any other. */
  | { readonly kind: 'struct'; readonly field: (name: string) => Shape | undefined; readonly plainStatus?: true }
  | { readonly kind: 'map'; readonly value: Shape }
  /** `map`: of a map for certain. */
  | { readonly kind: 'deduced'; readonly map?: true };

export interface ListShape {
  readonly kind: 'list';
  readonly keys: readonly ListKey[];
  readonly item: Shape;
}

export interface ListKey {
  readonly name: string;
  /** Stands in for an absent key field. */
  readonly default: unknown;
}

export const hasPlainStatus = (shape: Shape): boolean => shape.kind === 'struct' && shape.plainStatus === true;
