// What the status of a CustomResourceDefinition says: which names it got, whether it is served.
import { path } from '../../api/field-error.ts';
import { structuralFaults } from '../../api/structural/structural-rule.ts';
import { structureFault } from '../../api/structural/structure.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from '../../api/type/apiextensions-v1.ts';
import { append } from '../../base/append.ts';

type Condition = CustomResourceDefinitionCondition;
export type Status = CustomResourceDefinition['status'];

export const conditionOf = (crd: CustomResourceDefinition, type: string): Condition | undefined =>
  crd.status?.conditions?.find(c => c.type === type);

export const isConditionTrue = (crd: CustomResourceDefinition, type: string): boolean =>
  conditionOf(crd, type)?.status === 'True';

/** Puts a condition in; its time moves when its status does. */
export function withCondition(
  conditions: readonly Condition[] | undefined,
  wanted: Omit<Condition, 'lastTransitionTime'>,
  time: string,
): Condition[] {
  const all = [...(conditions ?? [])];
  const at = all.findIndex(c => c.type === wanted.type);
  const old = all[at];
  const lastTransitionTime = old?.status === wanted.status ? (old.lastTransitionTime ?? time) : time;
  const { type, status, reason, message, observedGeneration } = wanted;
  const made: Condition = {
    type,
    status,
    lastTransitionTime,
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    ...(observedGeneration ? { observedGeneration } : {}),
  };
  if (at < 0) all.push(made);
  else all[at] = made;
  return all;
}

/** Names in a group that others hold already. */
export interface TakenNames {
  /** Plurals, singulars and short names. */
  readonly resources: ReadonlySet<string>;
  /** Kinds and list kinds. */
  readonly kinds: ReadonlySet<string>;
}

export function takenNames(others: Iterable<CustomResourceDefinition>, builtin: TakenNames): TakenNames {
  const resources = new Set(builtin.resources);
  const kinds = new Set(builtin.kinds);
  for (const { status } of others) {
    const names = status?.acceptedNames;
    if (!names) continue;
    for (const name of [names.plural, names.singular, ...(names.shortNames ?? [])]) if (name) resources.add(name);
    for (const name of [names.kind, names.listKind]) if (name) kinds.add(name);
  }
  return { resources, kinds };
}

/** Which of the names it asks for a definition gets, and how that went. Names it has, it keeps. */
export function acceptNames(
  crd: CustomResourceDefinition,
  taken: TakenNames,
): { names: CustomResourceDefinitionNames; condition: Condition } {
  const asked = crd.spec.names;
  const had = crd.status?.acceptedNames ?? ({ plural: '', kind: '' } as CustomResourceDefinitionNames);
  // The last one is told.
  let conflict: { reason: string; message: string } | undefined;
  const choose = (want: string, has: string, set: ReadonlySet<string>, reason: string): string => {
    if (!set.has(want)) return want;
    conflict = { reason, message: `${JSON.stringify(want)} is already in use` };
    return has;
  };
  const plural = choose(asked.plural, had.plural, taken.resources, 'PluralConflict');
  const singular = choose(asked.singular ?? '', had.singular ?? '', taken.resources, 'SingularConflict');
  const shortFaults = (asked.shortNames ?? []).filter(n => taken.resources.has(n));
  if (shortFaults.length)
    conflict = {
      reason: 'ShortNamesConflict',
      message:
        shortFaults.length === 1
          ? `${JSON.stringify(shortFaults[0])} is already in use`
          : `[${shortFaults.map(n => `${JSON.stringify(n)} is already in use`).join(', ')}]`,
    };
  const shortNames = shortFaults.length ? had.shortNames : asked.shortNames;
  const kind = choose(asked.kind, had.kind, taken.kinds, 'KindConflict');
  const listKind = choose(asked.listKind ?? '', had.listKind ?? '', taken.kinds, 'ListKindConflict');
  return {
    names: {
      plural,
      ...(singular ? { singular } : {}),
      ...(shortNames?.length ? { shortNames } : {}),
      kind,
      ...(listKind ? { listKind } : {}),
      ...(asked.categories?.length ? { categories: asked.categories } : {}),
    },
    condition: conflict
      ? { type: 'NamesAccepted', status: 'False', ...conflict }
      : { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' },
  };
}

export function establishedCondition(crd: CustomResourceDefinition, namesAccepted: boolean): Condition {
  const old = conditionOf(crd, 'Established');
  if (old?.status === 'True') return old;
  return namesAccepted
    ? {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
      }
    : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
}

const approvalAnnotation = 'api-approved.kubernetes.io';

/** Groups under Kubernetes' own domains need somebody's approval. */
export function approvalCondition(crd: CustomResourceDefinition): Condition | undefined {
  if (!isProtectedGroup(crd.spec.group)) return undefined;
  const type = 'KubernetesAPIApprovalPolicyConformant';
  const value = crd.metadata.annotations?.[approvalAnnotation];
  if (!value)
    return {
      type,
      status: 'False',
      reason: 'MissingAnnotation',
      message: `protected groups must have approval annotation "${approvalAnnotation}", see https://github.com/kubernetes/enhancements/pull/1111`,
    };
  if (value.startsWith('unapproved'))
    return { type, status: 'False', reason: 'UnapprovedAnnotation', message: `not approved: ${JSON.stringify(value)}` };
  if (isUrl(value)) return { type, status: 'True', reason: 'ApprovedAnnotation', message: `approved in ${value}` };
  return {
    type,
    status: 'False',
    reason: 'InvalidAnnotation',
    message: `protected groups must have approval annotation "${approvalAnnotation}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`,
  };
}

export const isProtectedGroup = (group: string): boolean => /(^|\.)(k8s\.io|kubernetes\.io)$/.test(group);

const isUrl = (text: string): boolean => /^[a-z][a-z0-9+.-]*:\/\/[^\s/]+/i.test(text);

const SPEC = path('spec');

/** Schemas that were stored before they had to be structural, or by another server. */
export function nonStructuralCondition(crd: CustomResourceDefinition): Condition | undefined {
  const type = 'NonStructuralSchema';
  const faults: string[] = [];
  for (const [i, { name, schema }] of crd.spec.versions.entries()) {
    const whole = schema?.openAPIV3Schema;
    if (!whole) continue;
    const why = structureFault(whole);
    if (why) {
      const message = `failed to check validation schema for version ${name}: ${why}`;
      return { type, status: 'Unknown', reason: 'StructuralError', message };
    }
    append(faults, structuralFaults(whole, SPEC.child('versions').index(i).child('schema', 'openAPIV3Schema')));
  }
  if (!faults.length) return undefined;
  const message = faults.length === 1 ? faults[0]! : `[${faults.join(', ')}]`;
  return { type, status: 'True', reason: 'Violations', message };
}
