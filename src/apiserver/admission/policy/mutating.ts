// MutatingAdmissionPolicy: one mutation after the other; each sees what those before it made of the object. One that fails
// keeps none from running: a refusal tells of all.
import { faultsOf } from '../../../api/apply-check.ts';
import { applyAtomics, mergeApplied } from '../../../api/apply-partial.ts';
import type { CelBindings } from '../../../api/cel/cel.ts';
import { CelFault, CelList, CelObject, type CelValue, toJson } from '../../../api/cel/value.ts';
import { shapeOf } from '../../../api/field-diff.ts';
import { cloneDeep, type KubeObject } from '../../../api/meta.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import { equalJson } from '../../../api/patch/plain.ts';
import { apiVersionOf } from '../../../api/ref.ts';
import { forbidden, StatusError, type StatusReason } from '../../../api/status.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  Mutation,
} from '../../../api/type/admissionregistration-v1.ts';
import { messageOf } from '../../../base/assert.ts';
import type { ApiContext } from '../../context.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { withAnswers } from '../cel-authorizer.ts';
import { isPolicyExempt, type Match } from '../match/match.ts';
import { asRequested, inVersionOf } from '../webhook/dispatcher.ts';
import { adopt } from '../webhook/mutating.ts';
import type { CompiledBinding, CompiledMutatingPolicy, PolicySource } from './compiled.ts';
import { Budget, checkConditions, evaluate, withVariables } from './evaluation.ts';
import type { PolicyMetrics } from './metrics.ts';
import { checkParamKind, paramsOf } from './param.ts';
import { namespaceNameOf, policyMatchDeps, requestBindings } from './request-bindings.ts';

type Source = PolicySource<CompiledMutatingPolicy, MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding>;
type Bound = CompiledBinding<MutatingAdmissionPolicyBinding>;

/** A policy, a binding of it that matches, one of its parameters. */
interface Invocation {
  readonly id: string;
  readonly policy: CompiledMutatingPolicy;
  readonly bound: Bound;
  readonly match: Match;
  readonly param: KubeObject | null;
}

/** What a second run has to know of the first. */
interface Round {
  /** Invocations that may be repeated and have not seen what came after them. */
  readonly seen: Set<string>;
  readonly again: Set<string>;
  /** The object as the policies left it. */
  left: string;
}

export function mutatingPolicies(source: Source, context: ApiContext, metrics?: PolicyMetrics): AdmissionPlugin {
  const rounds = new WeakMap<AdmissionAttributes, Round>();
  return {
    name: 'MutatingAdmissionPolicy',
    handles: attributes => source.bound.length > 0 && attributes.object !== undefined && !isPolicyExempt(attributes),
    mutate(attributes) {
      const denials: Denial[] = [];
      const policies = source.bound.filter(p => concerns(p, attributes, context, denials));
      if (policies.length > 0) return run(policies, attributes, denials);
      if (denials.length > 0) throw refusal(attributes, denials);
    },
  };

  async function run(
    policies: readonly CompiledMutatingPolicy[],
    attributes: AdmissionAttributes,
    denials: Denial[],
  ): Promise<void> {
    // What is wrong with bindings is told before what goes wrong in their use.
    const unusable = new Set<Bound>();
    const unusableToo = (policy: CompiledMutatingPolicy, bound: Bound, why: string) => {
      if (!unusable.has(bound)) deny(denials, boundPolicy(policy, bound), why);
      unusable.add(bound);
    };
    for (const policy of policies) for (const _ of invocationsOf(policy, attributes, context, unusableToo));
    const again = attributes.reinvocation?.again ?? false;
    const round = rounds.get(attributes) ?? { seen: new Set(), again: new Set(), left: '' };
    rounds.set(attributes, round);
    if (again && JSON.stringify(attributes.object) !== round.left) requireAgain(round);
    for (const policy of policies) {
      for (const invocation of invocationsOf(policy, attributes, context, unusableToo)) {
        if (again && !round.again.has(invocation.id)) continue;
        if (await mutate(invocation, attributes, context, denials, metrics)) {
          requireAgain(round);
          if (attributes.reinvocation) attributes.reinvocation.asked = true;
        }
        if (policy.reinvocable) round.seen.add(invocation.id);
      }
    }
    if (denials.length > 0) throw refusal(attributes, denials);
    round.left = JSON.stringify(attributes.object);
  }
}

function requireAgain(round: Round): void {
  for (const id of round.seen) round.again.add(id);
  round.seen.clear();
}

// What cannot be used is forbidden, what goes wrong in its use is invalid: the code is the same.
interface Denial {
  readonly text: string;
  readonly reason: StatusReason;
}

const deny = (denials: Denial[], by: string, why: string, reason: StatusReason = 'Forbidden') =>
  denials.push({ text: `${by} denied request: ${why}`, reason });

/** In the words of the first; the others are causes beside it. */
function refusal({ resource, name }: AdmissionAttributes, denials: readonly Denial[]): StatusError {
  const { text, reason } = denials[0]!;
  const { details } = forbidden(resource, name, text).status;
  return new StatusError(403, reason, text, { ...details, causes: denials.map(d => ({ message: d.text })) });
}

const boundPolicy = (policy: CompiledMutatingPolicy, bound: Bound) =>
  `policy '${policy.name}' with binding '${bound.name}'`;

function concerns(
  policy: CompiledMutatingPolicy,
  attributes: AdmissionAttributes,
  context: ApiContext,
  denials: Denial[],
): boolean {
  try {
    if (policy.matcher.match(asRequested(attributes), policyMatchDeps(context)) === undefined) return false;
    checkParamKind(policy.paramKind, context);
    return true;
  } catch (error) {
    const why = `failed to configure policy: ${messageOf(error)}`;
    if (!policy.failsOpen) deny(denials, `policy ${JSON.stringify(policy.name)}`, why);
    return false;
  }
}

function* invocationsOf(
  policy: CompiledMutatingPolicy,
  attributes: AdmissionAttributes,
  context: ApiContext,
  unusable: (policy: CompiledMutatingPolicy, bound: Bound, why: string) => void,
): Generator<Invocation> {
  const requested = asRequested(attributes);
  const deps = policyMatchDeps(context);
  for (const bound of policy.bindings) {
    // Anew for each binding: what came before may have changed the labels.
    const match = policy.matcher.match(requested, deps);
    let params: readonly (KubeObject | null)[];
    try {
      if (!match || (bound.matcher && !bound.matcher.match(requested, deps))) continue;
      params = paramsOf(policy.paramKind, bound.binding.spec.paramRef, namespaceNameOf(attributes), context);
    } catch (error) {
      if (!policy.failsOpen) unusable(policy, bound, `failed to configure binding: ${messageOf(error)}`);
      continue;
    }
    for (const param of params) {
      const id = JSON.stringify([policy.name, bound.name, param?.metadata.namespace, param?.metadata.name]);
      yield { id, policy, bound, match, param };
    }
  }
}

/** Returns whether the object is another now. */
async function mutate(
  { policy, bound, match, param }: Invocation,
  attributes: AdmissionAttributes,
  context: ApiContext,
  denials: Denial[],
  metrics: PolicyMetrics | undefined,
): Promise<boolean> {
  const secondsSince = (startMs: number) => (context.clock.monotonic() - startMs) / 1000;
  const beganMs = context.clock.monotonic();
  let changed = false;
  const budget = new Budget();
  const fail = (why: string): false => {
    if (!policy.failsOpen) deny(denials, boundPolicy(policy, bound), why, 'Invalid');
    return false;
  };
  const bindings = await bindingsOf(policy, match, param, attributes, context);
  const met = await withAnswers(() => checkConditions(policy.conditions, bindings));
  if (!met.matches) {
    const failed = met.error !== '';
    metrics?.conditions(
      { kind: 'policy', name: policy.name, operation: attributes.operation, type: 'validate' },
      { seconds: secondsSince(beganMs), failed, excluded: !failed || policy.failsOpen },
    );
    return failed && fail(met.error);
  }
  for (const { mutation, expression } of policy.mutations) {
    const before = await inVersionOf(match, attributes.object as KubeObject, attributes);
    const current = changed ? await bindingsOf(policy, match, param, attributes, context) : bindings;
    const { left } = budget;
    const mutatingMs = context.clock.monotonic();
    const told = (failed: boolean) =>
      metrics?.mutated(policy.name, bound.name, { failed, seconds: secondsSince(mutatingMs) });
    const outcome = await withAnswers(() => {
      budget.left = left;
      const startMs = context.clock.monotonic();
      const result = evaluate(expression, withVariables(policy.variables, policy.variablesType, current), budget);
      context.counts.celEvaluation.observe(secondsSince(startMs));
      return result;
    });
    if (outcome.error !== undefined) {
      told(true);
      fail(outcome.error);
      continue;
    }
    const patched = patchedBy(mutation, outcome.value, before, match, context);
    told('fault' in patched);
    if ('fault' in patched) fail(patched.fault);
    else if (!equalJson(patched.object, before)) {
      await adopt(match, patched.object, attributes, context);
      changed = true;
    }
  }
  return changed;
}

function patchedBy(
  { patchType }: Mutation,
  value: CelValue,
  before: KubeObject,
  match: Match,
  context: ApiContext,
): { readonly object: unknown } | { readonly fault: string } {
  try {
    const made = toJson(value);
    return {
      object: patchType === 'JSONPatch' ? patchWith(before, made) : mergeWith(before, value, made, match, context),
    };
  } catch (error) {
    return { fault: messageOf(error instanceof CelFault ? new Error(error.message) : error) };
  }
}

// A value's type has to be that of the place it stands in: `Object.spec` under `spec`. Only for what toJson took.
function* wrongTypeNames(value: CelValue, path: string): Generator<string> {
  if (value instanceof CelList) for (const item of value) yield* wrongTypeNames(item, path);
  if (!(value instanceof CelObject) || !value.made) return;
  if (value.type.name !== path)
    yield `unexpected type name ${JSON.stringify(value.type.name)}, expected ${JSON.stringify(path)}, which matches field name path from root Object type`;
  for (const [name, inner] of Object.entries(value.raw)) yield* wrongTypeNames(inner as CelValue, `${path}.${name}`);
}

async function bindingsOf(
  policy: CompiledMutatingPolicy,
  match: Match,
  param: KubeObject | null,
  attributes: AdmissionAttributes,
  context: ApiContext,
): Promise<CelBindings> {
  const request = await requestBindings(attributes, match, context, true);
  return policy.paramKind ? { ...request, params: param } : request;
}

function patchWith(before: KubeObject, operations: unknown): unknown {
  if (Array.isArray(operations) && operations.length === 0) return before;
  try {
    // A JSONPatch has all its fields, said or not.
    const said = (operations as readonly object[]).map(o => ({ op: '', path: '', ...o }));
    return applyJsonPatch(cloneDeep(before) as KubeObject, said);
  } catch (error) {
    const cause = error instanceof StatusError ? error.cause : undefined;
    if (!(cause instanceof Error)) throw error;
    // A test that fails is how a patch says that it is not meant for this object.
    if (cause.message.endsWith(': test failed')) return before;
    throw new Error(`JSON Patch: ${cause.message}`, { cause });
  }
}

function mergeWith(
  before: KubeObject,
  value: CelValue,
  given: unknown,
  { resource, kind }: Match,
  context: ApiContext,
): unknown {
  const mistyped = [...wrongTypeNames(value, 'Object')];
  if (mistyped.length) throw new Error(`type mismatch: ${mistyped.join('\n')}`);
  const own = kind.kind === resource.kind;
  const apiVersion = apiVersionOf(kind);
  const config = { ...(given as object), apiVersion, kind: kind.kind };
  const unusable = (why: string) => new Error(`error applying patch: ${why}`);
  const untyped = (why: string) => unusable(`failed to convert patch object to typed object: ${why}`);
  const typeName = own ? resource.typeName : context.table.typeNameOf(apiVersion, kind.kind);
  const shape = own && resource.custom ? resource.custom.shape : typeName && shapeOf(typeName);
  if (!shape) throw untyped(`no corresponding type for ${apiVersion}, Kind=${kind.kind}`);
  const unfit = faultsOf(shape, config);
  if (unfit) throw untyped(unfit);
  const atomic = applyAtomics(shape, given);
  if (atomic) throw unusable(`invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: ${atomic}`);
  return mergeApplied(shape, cloneDeep(before), config);
}
