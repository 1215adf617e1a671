// What the types of the resources a policy names say about its expressions.
import { type PolicyScope, policyEnvironment } from '../../../api/cel/admission.ts';
import { compile } from '../../../api/cel/compile.ts';
import { celTypeOfKind } from '../../../api/cel/schema.ts';
import { type CelType, dyn } from '../../../api/cel/type.ts';
import { builtinResources, resourceId } from '../../../api/resource.ts';
import type {
  ExpressionWarning,
  ParamKind,
  ValidatingAdmissionPolicy,
} from '../../../api/type/admissionregistration-v1.ts';

/** More types than this are not checked. */
const MAX_TYPES = 10;

export interface NamedResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

export interface CheckedKind {
  /** `apps/v1, Kind=Deployment`. */
  readonly label: string;
  readonly type: CelType;
}

/** The resources a policy names without wildcards or subresources, each once, in order. */
export function namedResources({ spec }: ValidatingAdmissionPolicy): NamedResource[] {
  const found = new Map<string, NamedResource>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of spec.matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions, ...resources].some(name => name.includes('*'))) continue;
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const resource of resources)
          if (!resource.includes('/')) found.set(`${group}/${version}/${resource}`, { group, version, resource });
  }
  return [...found.keys()].sort().map(id => found.get(id)!);
}

/** The kind of a built-in resource; custom kinds are not checked. */
export function kindOfResource(named: NamedResource): CheckedKind | undefined {
  const resource = builtinResources().byId(resourceId(named));
  if (!resource?.typeName) return undefined;
  const label = `${named.group}/${named.version}, Kind=${resource.kind}`;
  return { label, type: celTypeOfKind(resource.typeName) };
}

/** Of a built-in kind. */
export function typeOfParams({ apiVersion = '', kind = '' }: ParamKind): CelType | undefined {
  const name = builtinResources().typeNameOf(apiVersion, kind);
  return name ? celTypeOfKind(name) : undefined;
}

/** One warning for each expression that some of the types do not fit. */
export function typeWarnings(
  policy: ValidatingAdmissionPolicy,
  kinds: readonly CheckedKind[],
  params: CelType | undefined,
): ExpressionWarning[] {
  const checked = kinds
    .slice(0, MAX_TYPES)
    .map(kind => ({ label: kind.label, scope: scopeOf(policy, kind.type, params) }));
  const warnings: ExpressionWarning[] = [];
  const check = (expression: string | undefined, fieldRef: string): void => {
    if (!expression) return;
    const complaints = checked.flatMap(({ label, scope }) => {
      const { error } = compile(expression, policyEnvironment(scope));
      return error ? [`${label}: ${error.message}`] : [];
    });
    if (complaints.length > 0) warnings.push({ fieldRef, warning: complaints.join('\n') });
  };
  for (const [i, { expression, messageExpression }] of (policy.spec.validations ?? []).entries()) {
    check(expression, `spec.validations[${i}].expression`);
    check(messageExpression, `spec.validations[${i}].messageExpression`);
  }
  return warnings;
}

function scopeOf({ spec }: ValidatingAdmissionPolicy, object: CelType, params: CelType | undefined): PolicyScope {
  const base: PolicyScope = { object, hasParams: spec.paramKind !== undefined, ...(params ? { params } : {}) };
  const variables = new Map<string, CelType>();
  for (const { name, expression } of spec.variables ?? []) {
    const { program } = compile(expression, policyEnvironment({ ...base, variables: new Map(variables) }));
    variables.set(name, program?.type ?? dyn);
  }
  return { ...base, variables };
}
