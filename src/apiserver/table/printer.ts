// The contract of what `kubectl get` shows of a kind.
import type { KubeObject } from '../../api/meta.ts';

export interface ColumnDefinition {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  readonly priority: number;
}

export interface Printer {
  readonly columns: readonly ColumnDefinition[];
  /** One cell a column, in order. */
  cells(object: KubeObject, nowMs: number): readonly unknown[];
  /** Order of a list's rows, where it is not that of the list. */
  compare?(a: KubeObject, b: KubeObject): number;
  /** Conditions of the row (a finished pod). */
  conditions?(object: KubeObject): readonly object[] | undefined;
}
