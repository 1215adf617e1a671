/** The cells of one object, in the order of the kind's columns. */
export type Cells = (object: any, nowMs: number) => readonly unknown[];

/** By kind; kinds whose columns differ between groups do not exist. */
export type CellsByKind = Readonly<Record<string, Cells>>;
