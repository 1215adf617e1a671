// A question to the authorizer as a SubjectAccessReview, and what its answer says.
import type { CelBindings, CelEnvironment, CelProgram } from '../../../api/cel/cel.ts';
import { MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT } from '../../../api/cel/cel.ts';
import * as t from '../../../api/cel/type.ts';
import type { FieldSelector } from '../../../api/field-selector.ts';
import type { LabelOperator, Selector } from '../../../api/label-selector.ts';
import type { SubjectAccessReviewSpec, SubjectAccessReviewStatus } from '../../../api/type/authorization-v1.ts';
import type { Attributes, Verdict } from '../authorizer.ts';

export type ReviewVersion = 'v1' | 'v1beta1';

/** The spec of version v1. */
export function reviewSpec(a: Attributes): SubjectAccessReviewSpec {
  const { user } = a;
  return {
    ...(a.isResource
      ? { resourceAttributes: resourceAttributes(a) }
      : { nonResourceAttributes: { ...(a.path ? { path: a.path } : {}), ...(a.verb ? { verb: a.verb } : {}) } }),
    ...(user.name ? { user: user.name } : {}),
    ...(user.groups.length ? { groups: user.groups } : {}),
    ...(user.extra && Object.keys(user.extra).length ? { extra: user.extra } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
  };
}

function resourceAttributes(a: Attributes) {
  const { namespace, verb, group, version, resource, subresource, name, fieldSelector, labelSelector } = a;
  const texts = { namespace, verb, group, version, resource, subresource, name };
  const fields = fieldSelector && fieldRequirements(fieldSelector);
  const labels = labelSelector && labelRequirements(labelSelector);
  return {
    ...Object.fromEntries(Object.entries(texts).filter(([, text]) => text)),
    ...(fields?.length ? { fieldSelector: { requirements: fields } } : {}),
    ...(labels?.length ? { labelSelector: { requirements: labels } } : {}),
  };
}

const fieldRequirements = ({ terms }: FieldSelector) =>
  terms.map(({ field, op, value }) => ({ key: field, operator: op === '=' ? 'In' : 'NotIn', values: [value] }));

const operators: Partial<Record<LabelOperator, string>> = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
};

// What a review cannot say is left out, which only makes the question wider.
const labelRequirements = ({ requirements }: Selector) =>
  requirements.flatMap(({ key, operator, values }) => {
    const name = operators[operator];
    return name ? [{ key, operator: name, ...(values.length ? { values } : {}) }] : [];
  });

/** The body to send. v1beta1 calls the groups `group`. */
export function reviewBody(version: ReviewVersion, spec: SubjectAccessReviewSpec): object {
  const { groups, user, resourceAttributes: on, nonResourceAttributes: at, ...rest } = spec;
  const older = {
    ...(on ? { resourceAttributes: on } : { nonResourceAttributes: at }),
    ...(user ? { user } : {}),
    ...(groups ? { group: groups } : {}),
    ...rest,
  };
  return {
    kind: 'SubjectAccessReview',
    apiVersion: `authorization.k8s.io/${version}`,
    metadata: {},
    spec: version === 'v1' ? spec : older,
    status: { allowed: false },
  };
}

/** What an answer decides; one that says two things denies. */
export function verdictOf({ status }: { readonly status?: Partial<SubjectAccessReviewStatus> }): Verdict {
  const { allowed = false, denied = false, reason = '' } = status ?? {};
  if (allowed && denied)
    return {
      decision: 'deny',
      reason: '',
      error: 'webhook subject access review returned both allow and deny response',
    };
  return { decision: denied ? 'deny' : allowed ? 'allow' : 'noOpinion', reason };
}

const struct = (name: string, types: Readonly<Record<string, t.CelType>>): t.CelObjectType => {
  const fields = new Map(Object.entries(types).map(([field, type]) => [field, { name: field, type }]));
  return t.objectType(name, () => fields);
};
const requirement = (name: string) =>
  t.list(struct(name, { key: t.string, operator: t.string, values: t.list(t.string) }));
const selector = (name: string) =>
  struct(`kubernetes.${name}Attributes`, {
    rawSelector: t.string,
    requirements: requirement(`kubernetes.${name}Requirement`),
  });

/** What match conditions of webhook authorizers may name, and give. */
export const reviewEnvironment: CelEnvironment = {
  variables: {
    request: struct('kubernetes.SubjectAccessReviewSpec', {
      resourceAttributes: struct('kubernetes.ResourceAttributes', {
        namespace: t.string,
        verb: t.string,
        group: t.string,
        version: t.string,
        resource: t.string,
        subresource: t.string,
        name: t.string,
        fieldSelector: selector('FieldSelector'),
        labelSelector: selector('LabelSelector'),
      }),
      nonResourceAttributes: struct('kubernetes.NonResourceAttributes', { path: t.string, verb: t.string }),
      user: t.string,
      groups: t.list(t.string),
      extra: t.map(t.string, t.list(t.string)),
      uid: t.string,
    }),
  },
  output: [t.bool],
};

/** What conditions see: strings that do not apply are ''. */
export function conditionBindings(a: Attributes): CelBindings {
  const { namespace, verb, group, version, resource, subresource, name, user } = a;
  const all = { namespace, verb, group, version, resource, subresource, name };
  const target = a.isResource
    ? { resourceAttributes: { ...all, ...resourceAttributes(a) } }
    : { nonResourceAttributes: { path: a.path, verb } };
  return {
    request: { ...target, user: user.name, groups: user.groups, extra: user.extra ?? {}, uid: user.uid ?? '' },
  };
}

/** Whether all hold. One that is false decides, whatever went wrong with others; throws when that is all there is. */
export function conditionsHold(conditions: readonly CelProgram[], bindings: CelBindings): boolean {
  const errors: string[] = [];
  let budget = MATCH_CONDITIONS_BUDGET;
  for (const program of conditions) {
    const result = program.evaluate(bindings, { costLimit: Math.min(budget, PER_CALL_LIMIT) });
    budget -= result.cost;
    if (!result.ok)
      errors.push(
        `cel evaluation error: expression '${program.expression}' resulted in error: ${result.error.message}`,
      );
    else if (result.value !== true) return false;
  }
  if (errors.length) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
  return true;
}
