// Evaluates the expressions of one policy about one request: conditions, variables, budget.
import type { CelBindings, CelProgram } from '../../../api/cel/cel.ts';
import { MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT, RUNTIME_COST_BUDGET } from '../../../api/cel/cel.ts';
import { spend } from '../../../api/cel/overload.ts';
import type { CelObjectType } from '../../../api/cel/type.ts';
import { CelFault, CelObject, type CelValue } from '../../../api/cel/value.ts';

/** A program, or why there is none: objects stored before a rule was there may hold anything. */
export interface Expression {
  readonly text: string;
  readonly program: CelProgram | undefined;
  readonly error: string;
}

export interface NamedExpression extends Expression {
  readonly name: string;
}

export type Outcome = { readonly value: CelValue; readonly error?: undefined } | { readonly error: string };

/** Budget shared by all expressions of a policy. */
export class Budget {
  left: number;
  /** An expression was left out, or ended before it was done, because of it. */
  exceeded = false;
  constructor(total: number = RUNTIME_COST_BUDGET) {
    this.left = total;
  }
}

export const OUT_OF_BUDGET =
  'validation failed due to running out of cost budget, no further validation rules will be run';

export function evaluate({ text, program, error }: Expression, bindings: CelBindings, budget: Budget): Outcome {
  if (!program) return { error: `compilation error: ${error}` };
  if (budget.left <= 0) {
    budget.exceeded = true;
    return { error: OUT_OF_BUDGET };
  }
  const costLimit = Math.min(PER_CALL_LIMIT, budget.left);
  const result = program.evaluate(bindings, { costLimit });
  budget.left -= result.cost;
  if (result.ok) return { value: result.value };
  if (result.error.costExceeded && costLimit < PER_CALL_LIMIT) {
    budget.left = 0;
    budget.exceeded = true;
    return { error: OUT_OF_BUDGET };
  }
  return { error: `expression '${text}' resulted in error: ${result.error.message}` };
}

export interface ConditionsResult {
  readonly matches: boolean;
  /** Set when no condition was false and some could not be evaluated. */
  readonly error: string;
}

/** One that is false decides, whatever went wrong with others. */
export function checkConditions(
  conditions: readonly Expression[],
  bindings: CelBindings,
  budget: Budget = new Budget(MATCH_CONDITIONS_BUDGET),
): ConditionsResult {
  const errors: string[] = [];
  for (const condition of conditions) {
    const outcome = evaluate(condition, bindings, budget);
    if (outcome.error !== undefined) errors.push(outcome.error);
    else if (outcome.value !== true) return { matches: false, error: '' };
  }
  const error = errors.length > 1 ? `[${errors.join(', ')}]` : (errors[0] ?? '');
  return { matches: errors.length === 0, error };
}

/** `bindings` with `variables`: each is evaluated at most once, when it is first asked for, and paid by who asks. */
export function withVariables(
  variables: readonly NamedExpression[],
  type: CelObjectType | undefined,
  bindings: CelBindings,
): CelBindings {
  if (!type || variables.length === 0) return bindings;
  const raw: Record<string, () => CelValue> = {};
  const all: CelBindings = { ...bindings, variables: new CelObject(raw, type, true) };
  for (const variable of variables) {
    let made: CelValue | CelFault | undefined;
    raw[variable.name] = () => {
      made ??= evaluateVariable(variable, all);
      if (made instanceof CelFault) throw made;
      return made;
    };
  }
  return all;
}

function evaluateVariable({ name, program, error }: NamedExpression, bindings: CelBindings): CelValue | CelFault {
  const failed = (why: string) => new CelFault(`composited variable ${JSON.stringify(name)} fails to evaluate: ${why}`);
  if (!program) return failed(error);
  const result = program.evaluate(bindings);
  spend(result.cost);
  return result.ok ? result.value : failed(result.error.message);
}
