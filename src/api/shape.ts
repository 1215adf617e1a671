// Shapes of values as ownership sees them: what a schema says of who can own what.

/** How ownership sees a value: as one piece, or by its parts. `deduced` is free JSON: objects by field, lists whole. */
export type Shape = { readonly kind: 'leaf' } | { readonly kind: 'set' } | MapShape | ListShape;

export type MapShape =
  | { readonly kind: 'struct'; readonly field: (name: string) => Shape | undefined }
  | { readonly kind: 'map'; readonly value: Shape }
  | { readonly kind: 'deduced' };

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
