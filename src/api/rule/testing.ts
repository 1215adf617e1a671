// Runs one kind's rules as the registry does. For tests.
import { FieldErrors } from '../field-error.ts';
import { cloneDeep, type KubeObject } from '../meta.ts';
import { readFacts } from '../resource.ts';
import type { RuleContext, Strategy } from '../strategy.ts';

const gates = new Map(
  readFacts<{ gates?: { n: string; d?: unknown }[] } & Record<string, unknown>>('featuregates.json').gates?.map(g => [
    g.n,
    Boolean(g.d),
  ]),
);

/** A request's context with the feature gates of Kubernetes 1.36 as they are by default. */
export function ruleContext(subresource = '', overrides: Readonly<Record<string, boolean>> = {}): RuleContext {
  return { nowMs: 0, subresource, featureEnabled: gate => overrides[gate] ?? gates.get(gate) ?? false };
}

const lines = (errors: FieldErrors): string[] => errors.list.map(e => (e.field ? `${e.field}: ` : '') + e.message);

/** What a create makes of an object, and what is wrong with it. */
export function create<T extends KubeObject>(
  strategy: Strategy<T>,
  object: unknown,
  context: RuleContext = ruleContext(),
): { readonly object: T; readonly errors: string[] } {
  const draft = cloneDeep(object as T);
  strategy.default?.(draft);
  strategy.prepareForCreate?.(draft, context);
  const errors = new FieldErrors();
  strategy.validate?.(draft as T, errors, context);
  return { object: draft as T, errors: lines(errors) };
}

/** What an update makes of an object that `old` (already created) becomes. */
export function update<T extends KubeObject>(
  strategy: Strategy<T>,
  object: unknown,
  old: T,
  context: RuleContext = ruleContext(),
): { readonly object: T; readonly errors: string[] } {
  const draft = cloneDeep(object as T);
  strategy.default?.(draft);
  strategy.prepareForUpdate?.(draft, old, context);
  const errors = new FieldErrors();
  strategy.validate?.(draft as T, errors, { ...context, old });
  strategy.validateUpdate?.(draft as T, old, errors, context);
  return { object: draft as T, errors: lines(errors) };
}
