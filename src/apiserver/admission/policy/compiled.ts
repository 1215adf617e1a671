// Policies and their bindings as the server uses them: compiled once, anew when they change.
import {
  APPLY,
  BOOL,
  PATCH,
  type PolicyScope,
  policyEnvironment,
  TEXT,
  TEXT_OR_NULL,
} from '../../../api/cel/admission.ts';
import { compile } from '../../../api/cel/compile.ts';
import type { CelObjectType, CelType } from '../../../api/cel/type.ts';
import { dyn } from '../../../api/cel/type.ts';
import type {
  AuditAnnotation,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
  ParamKind,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  Validation,
} from '../../../api/type/admissionregistration-v1.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import { type Matcher, matcherOf } from '../match/match.ts';
import type { Expression, NamedExpression } from './evaluation.ts';

export type Binding = ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding;

export interface CompiledBinding<B extends Binding = Binding> {
  readonly name: string;
  readonly binding: B;
  /** Undefined: matches whatever the policy does. */
  readonly matcher: Matcher | undefined;
}

export interface CompiledPolicy<B extends Binding = Binding> {
  readonly name: string;
  readonly paramKind: ParamKind | undefined;
  readonly matcher: Matcher;
  readonly failsOpen: boolean;
  readonly conditions: readonly Expression[];
  readonly variables: readonly NamedExpression[];
  readonly variablesType: CelObjectType | undefined;
  readonly bindings: readonly CompiledBinding<B>[];
}

export interface CompiledValidation {
  readonly validation: Validation;
  readonly expression: Expression;
  readonly message: Expression | undefined;
}

export interface CompiledValidatingPolicy extends CompiledPolicy<ValidatingAdmissionPolicyBinding> {
  readonly validations: readonly CompiledValidation[];
  readonly annotations: readonly { readonly annotation: AuditAnnotation; readonly expression: Expression }[];
}

export interface CompiledMutatingPolicy extends CompiledPolicy<MutatingAdmissionPolicyBinding> {
  readonly mutations: readonly { readonly mutation: Mutation; readonly expression: Expression }[];
  readonly reinvocable: boolean;
}

function expressionOf(text: string, scope: PolicyScope, output?: readonly CelType[]): Expression {
  const { program, error } = compile(text, policyEnvironment(scope, output));
  return { text, program, error: error?.message ?? '' };
}

function common<B extends Binding>(
  { metadata, spec }: ValidatingAdmissionPolicy | MutatingAdmissionPolicy,
  bindings: readonly CompiledBinding<B>[],
): { policy: CompiledPolicy<B>; scope: PolicyScope } {
  const base: PolicyScope = { hasParams: spec.paramKind !== undefined };
  const known = new Map<string, CelType>();
  const variables = (spec.variables ?? []).map(({ name, expression }): NamedExpression => {
    const made = expressionOf(expression, { ...base, variables: known });
    known.set(name, made.program?.type ?? dyn);
    return { name, ...made };
  });
  const scope: PolicyScope = { ...base, variables: known };
  const match = spec.matchConstraints ?? {};
  const policy: CompiledPolicy<B> = {
    name: metadata.name,
    paramKind: spec.paramKind,
    matcher: matcherOf({
      rules: match.resourceRules ?? [],
      excludeRules: match.excludeResourceRules,
      matchPolicy: match.matchPolicy,
      namespaceSelector: match.namespaceSelector,
      objectSelector: match.objectSelector,
    }),
    failsOpen: spec.failurePolicy === 'Ignore',
    conditions: (spec.matchConditions ?? []).map(c => expressionOf(c.expression, base, BOOL)),
    variables,
    variablesType: policyEnvironment(scope).variables.variables as CelObjectType | undefined,
    bindings,
  };
  return { policy, scope };
}

export function compileValidating(
  policy: ValidatingAdmissionPolicy,
  bindings: readonly CompiledBinding<ValidatingAdmissionPolicyBinding>[],
): CompiledValidatingPolicy {
  const { policy: shared, scope } = common(policy, bindings);
  return {
    ...shared,
    validations: (policy.spec.validations ?? []).map(validation => ({
      validation,
      expression: expressionOf(validation.expression, scope, BOOL),
      message: validation.messageExpression
        ? expressionOf(validation.messageExpression, { ...scope, message: true }, TEXT)
        : undefined,
    })),
    annotations: (policy.spec.auditAnnotations ?? []).map(annotation => ({
      annotation,
      expression: expressionOf(annotation.valueExpression, scope, TEXT_OR_NULL),
    })),
  };
}

export function compileMutating(
  policy: MutatingAdmissionPolicy,
  bindings: readonly CompiledBinding<MutatingAdmissionPolicyBinding>[],
): CompiledMutatingPolicy {
  const { policy: shared, scope } = common(policy, bindings);
  const mutates = { ...scope, mutates: true };
  return {
    ...shared,
    reinvocable: policy.spec.reinvocationPolicy === 'IfNeeded',
    mutations: (policy.spec.mutations ?? []).map(mutation => ({
      mutation,
      expression:
        mutation.patchType === 'JSONPatch'
          ? expressionOf(mutation.jsonPatch?.expression ?? '', mutates, PATCH)
          : expressionOf(mutation.applyConfiguration?.expression ?? '', mutates, APPLY),
    })),
  };
}

function compileBinding<B extends Binding>(binding: B): CompiledBinding<B> {
  const match = binding.spec.matchResources;
  const matcher =
    match &&
    matcherOf({
      rules: match.resourceRules ?? [],
      excludeRules: match.excludeResourceRules,
      matchPolicy: match.matchPolicy,
      namespaceSelector: match.namespaceSelector,
      objectSelector: match.objectSelector,
      noRulesMatchAll: true,
    });
  return { name: binding.metadata.name, binding, matcher };
}

interface Known<P, B> {
  readonly object: unknown;
  readonly bindings: readonly B[];
  readonly compiled: P;
}

/** Compiled policies that some binding binds, by name. */
export class PolicySource<P, O extends object, B extends Binding> {
  readonly #policies: WatchCache;
  readonly #bindings: WatchCache;
  readonly #compile: (policy: O, bindings: readonly CompiledBinding<B>[]) => P;
  #made: { readonly policies: unknown; readonly bindings: unknown; readonly compiled: readonly P[] } | undefined;
  /** What did not change is not compiled again. */
  #known = new Map<string, Known<P, B>>();

  constructor(
    policies: WatchCache,
    bindings: WatchCache,
    make: (policy: O, bindings: readonly CompiledBinding<B>[]) => P,
  ) {
    this.#policies = policies;
    this.#bindings = bindings;
    this.#compile = make;
  }

  get bound(): readonly P[] {
    if (this.#bindings.size === 0 || this.#policies.size === 0) return [];
    const [policies, bindings] = [this.#policies.snapshot(), this.#bindings.snapshot()];
    if (this.#made?.policies !== policies || this.#made.bindings !== bindings)
      this.#made = { policies, bindings, compiled: this.#compileAll() };
    return this.#made.compiled;
  }

  #compileAll(): P[] {
    const byPolicy = new Map<string, B[]>();
    this.#bindings.snapshot().scan('', undefined, ({ object }) => {
      const binding = object as unknown as B;
      const name = binding.spec.policyName ?? '';
      const list = byPolicy.get(name);
      if (list) list.push(binding);
      else byPolicy.set(name, [binding]);
      return true;
    });
    const known = new Map<string, Known<P, B>>();
    const out: P[] = [];
    for (const [name, bindings] of [...byPolicy].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const object = this.#policies.get(name)?.object;
      if (!object) continue;
      const before = this.#known.get(name);
      const same = before?.object === object && before.bindings.length === bindings.length;
      const made =
        same && bindings.every((b, i) => b === before.bindings[i])
          ? before
          : { object, bindings, compiled: this.#compile(object as unknown as O, bindings.map(compileBinding)) };
      known.set(name, made);
      out.push(made.compiled);
    }
    this.#known = known;
    return out;
  }
}
