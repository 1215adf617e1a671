// CEL (cel.dev) with Kubernetes' libraries: compiles, type-checks, estimates and evaluates expressions. The contract.
import type { CelObjectType, CelType } from './type.ts';
import type { CelValue } from './value.ts';

export interface CelEnvironment {
  /**
   * What an expression may name. A variable of an object type is checked field by field; `dyn` is left to run time.
   * A name with dots (`a.b`) is one variable.
   */
  readonly variables: Readonly<Record<string, CelType>>;
  /** The types the result may have, exactly; anything when absent. The error then has no issues: `must evaluate to bool`. */
  readonly output?: readonly CelType[];
  /** Plain CEL takes `[1, 'a']`; Kubernetes does not, and neither does this unless asked. */
  readonly mixedLiterals?: boolean;
  /** With `cel.bind`, which is not everywhere. */
  readonly bindings?: boolean;
  /** Types an expression may make a value of: `Object.spec{…}`. */
  readonly structs?: (name: string) => CelObjectType | undefined;
  /** The type of `self` in a rule of a schema: costs are estimated by what is stated there. */
  readonly schema?: CelType;
}

/** One complaint of the parser or the checker. */
export interface CelIssue {
  /** `undeclared reference to 'x' (in container '')`. */
  readonly message: string;
  /** From 1; columns count code points from 1. */
  readonly line: number;
  readonly column: number;
}

export interface CelCompileError {
  readonly issues: readonly CelIssue[];
  /** All of them as cel-go prints them, with the source line and a caret. Kubernetes says `compilation failed: ` before. */
  readonly message: string;
}

export type CelCompileResult =
  | { readonly program: CelProgram; readonly error?: undefined }
  | { readonly program?: undefined; readonly error: CelCompileError };

export interface CostEstimate {
  readonly min: number;
  /** Infinity where nothing bounds it. */
  readonly max: number;
}

/**
 * Values by variable name. A value is JSON (read as its declared type says: an `integer` is an int, a `date-time` a
 * timestamp; where the declared type is dyn, whole numbers are ints), a CelValue made by this module, or a function that
 * gives either and is called at most once an evaluation, when the expression first asks.
 */
export type CelBindings = Readonly<Record<string, unknown>>;

export interface CelLimits {
  /** Evaluation ends with a cost error once this much is spent; PER_CALL_LIMIT when absent. */
  readonly costLimit?: number;
}

export type CelResult =
  | { readonly ok: true; readonly value: CelValue; readonly cost: number }
  | { readonly ok: false; readonly error: CelEvalError; readonly cost: number };

export interface CelEvalError {
  /** `no such key: x`, `index out of bounds: 3`, `operation cancelled: actual cost limit exceeded`. */
  readonly message: string;
  readonly costExceeded: boolean;
}

/** Immutable, may be evaluated any number of times. */
export interface CelProgram {
  readonly expression: string;
  /** What the checker found the result to be. */
  readonly type: CelType;
  /** Variables the expression names. */
  readonly variables: ReadonlySet<string>;
  /** From the sizes in the declared types. */
  estimateCost(): CostEstimate;
  /** Never throws. */
  evaluate(bindings: CelBindings, limits?: CelLimits): CelResult;
}

/** Limits of Kubernetes' API server, in CEL cost units. */
export const PER_CALL_LIMIT = 1_000_000;
/** All expressions that one request runs for one policy or one custom resource. */
export const RUNTIME_COST_BUDGET = 10_000_000;
/** Of match conditions of one webhook or policy. */
export const MATCH_CONDITIONS_BUDGET = RUNTIME_COST_BUDGET / 4;
/** Most a CRD's rule may be estimated to cost, and all rules of a CRD version together. */
export const ESTIMATED_RULE_LIMIT = 10_000_000;
export const ESTIMATED_CRD_LIMIT = 100_000_000;

/** What CRDs and policies say when an estimate is too high; '' when it is not. */
export function estimateExcess(cost: number, limit: number): string {
  if (cost <= limit) return '';
  const factor = cost / limit;
  if (factor > 100) return 'more than 100x';
  // So that nobody reads 1.0x.
  return `${factor.toFixed(factor < 1.5 ? 6 : 1)}x`;
}
