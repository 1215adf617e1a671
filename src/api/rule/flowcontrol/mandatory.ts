// What no cluster can be without: the server would admit nobody, or everybody.
import { type FieldErrors, path } from '../../field-error.ts';
import { readFacts } from '../../resource.ts';
import type { FlowSchemaSpec, PriorityLevelConfigurationSpec } from '../../type/flowcontrol-v1.ts';
import { semanticEqual } from '../record.ts';

interface Named<T> {
  readonly name: string;
  readonly spec: T;
}

interface Facts {
  readonly mandatoryFlowSchemas: readonly Named<FlowSchemaSpec>[];
  readonly mandatoryPriorityLevelConfigurations: readonly Named<PriorityLevelConfigurationSpec>[];
}

let loaded: Facts | undefined;

const facts = (): Facts => {
  loaded ??= readFacts<Facts>('priority-and-fairness.json');
  return loaded;
};

export function validateMandatorySchema(name: string, spec: FlowSchemaSpec, errors: FieldErrors): void {
  compare(facts().mandatoryFlowSchemas, name, spec, spec, errors);
}

/** How much the exempt level lends and is lent is free. */
export function validateMandatoryLevel(name: string, spec: PriorityLevelConfigurationSpec, errors: FieldErrors): void {
  const { exempt } = facts().mandatoryPriorityLevelConfigurations.find(m => m.name === name)?.spec ?? {};
  compare(facts().mandatoryPriorityLevelConfigurations, name, { ...spec, ...(exempt ? { exempt } : {}) }, spec, errors);
}

function compare<T>(mandatory: readonly Named<T>[], name: string, now: T, said: T, errors: FieldErrors): void {
  const fixed = mandatory.find(m => m.name === name);
  if (fixed && !semanticEqual(now, fixed.spec))
    errors.invalid(path('spec'), said, `spec of '${name}' must equal the fixed value`);
}
