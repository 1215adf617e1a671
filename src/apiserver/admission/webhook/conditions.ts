// Match conditions: expressions that all have to hold before a webhook is asked.
import { compileWebhookCondition } from '../../../api/cel/admission.ts';
import { type CelBindings, type CelProgram, MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT } from '../../../api/cel/cel.ts';
import type { MatchCondition } from '../../../api/type/admissionregistration-v1.ts';

type Compiled = { readonly program: CelProgram } | { readonly fault: string };

export interface Conditions {
  /** False as soon as one does not hold. Throws when none is false and one cannot be decided. */
  hold(bindings: CelBindings): boolean;
}

const outOfBudget = 'validation failed due to running out of cost budget, no further validation rules will be run';

/** Undefined when there are none. */
export function conditionsOf(conditions: readonly MatchCondition[] | undefined): Conditions | undefined {
  if (!conditions?.length) return undefined;
  let compiled: readonly Compiled[] | undefined;
  return {
    hold(bindings) {
      compiled ??= conditions.map(compileCondition);
      let budget = MATCH_CONDITIONS_BUDGET;
      const errors: string[] = [];
      for (const condition of compiled) {
        if ('fault' in condition) {
          errors.push(condition.fault);
          continue;
        }
        const result = condition.program.evaluate(bindings, { costLimit: Math.min(budget, PER_CALL_LIMIT) });
        budget -= result.cost;
        if (budget < 0 || (!result.ok && result.error.costExceeded)) throw new Error(outOfBudget);
        if (!result.ok)
          errors.push(`expression '${condition.program.expression}' resulted in error: ${result.error.message}`);
        else if (result.value !== true) return false;
      }
      if (errors.length) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
      return true;
    },
  };
}

function compileCondition({ expression }: MatchCondition): Compiled {
  const { program, error } = compileWebhookCondition(expression);
  return program ? { program } : { fault: `compilation error: ${error!.message}` };
}
