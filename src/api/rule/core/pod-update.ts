// What an update of a pod may change.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { inclusiveRangeError } from '../../name-rule.ts';
import type {
  Container,
  NodeAffinity,
  NodeSelectorTerm,
  Pod,
  PodSchedulingGate,
  PodSpec,
  Toleration,
} from '../../type/core-v1.ts';
import { diffText } from '../diff.ts';
import { deepEqual, semanticEqual } from '../record.ts';
import { validateAnnotationUpdates } from './pod-annotation.ts';

const SPEC = path('spec');
const MAX_INT32 = 2147483647;
const MUTABLE_FIELDS = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');
const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution';

/** Checks a main update, besides validating the new pod. */
export function validatePodUpdate(pod: Pod, old: Pod, errors: FieldErrors): void {
  validateAnnotationUpdates(
    pod.metadata.annotations ?? {},
    old.metadata.annotations ?? {},
    path('metadata.annotations'),
    errors,
  );
  const now = pod.spec;
  const was = old.spec;
  for (const list of ['containers', 'initContainers'] as const) {
    if ((now[list]?.length ?? 0) !== (was[list]?.length ?? 0)) {
      errors.forbidden(SPEC.child(list), 'pod updates may not add or remove containers');
      return;
    }
    for (const [i, { image = '' }] of (now[list] ?? []).entries()) {
      const here = SPEC.child(list).index(i).child('image');
      if (image === '') errors.required(here);
      else if (image.trim() !== image) errors.invalid(here, image, 'must not have leading or trailing whitespace');
    }
  }
  if (!validateDeadline(now, was, errors)) return;
  validateTolerationUpdate(now.tolerations ?? [], was.tolerations ?? [], errors);
  validateGateUpdate(now.schedulingGates ?? [], was.schedulingGates ?? [], errors);
  const munged = withoutAllowedChanges(now, was, errors);
  if (!semanticEqual(munged, was))
    errors.forbidden(SPEC, `pod updates may not change fields other than ${MUTABLE_FIELDS}\n${diffText(was, munged)}`);
}

function validateDeadline(now: PodSpec, was: PodSpec, errors: FieldErrors): boolean {
  const value = now.activeDeadlineSeconds;
  const before = was.activeDeadlineSeconds;
  const at = SPEC.child('activeDeadlineSeconds');
  if (value !== undefined) {
    if (value < 0 || value > MAX_INT32) {
      errors.invalid(at, value, inclusiveRangeError(0, MAX_INT32));
      return false;
    }
    if (before !== undefined && before < value) {
      errors.invalid(at, value, 'must be less than or equal to previous value');
      return false;
    }
  } else if (before !== undefined)
    errors.invalid(at, undefined, 'must not update from a positive integer to nil value');
  return true;
}

function validateTolerationUpdate(now: readonly Toleration[], was: readonly Toleration[], errors: FieldErrors): void {
  const same = (a: Toleration, b: Toleration): boolean =>
    (a.key ?? '') === (b.key ?? '') &&
    (a.operator || 'Equal') === (b.operator || 'Equal') &&
    (a.value ?? '') === (b.value ?? '') &&
    (a.effect ?? '') === (b.effect ?? '');
  if (was.every(old => now.some(t => same(t, old)))) return;
  errors.forbidden(SPEC.child('tolerations'), 'existing toleration can not be modified except its tolerationSeconds');
}

function validateGateUpdate(
  now: readonly PodSchedulingGate[],
  was: readonly PodSchedulingGate[],
  errors: FieldErrors,
): void {
  const known = new Set(was.map(g => g.name));
  for (const [i, { name }] of now.entries()) {
    if (!known.has(name))
      errors.forbidden(
        SPEC.child('schedulingGates').index(i),
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      );
  }
}

// The new spec with everything that may change put back: what is left must equal the old one.
function withoutAllowedChanges(now: PodSpec, was: PodSpec, errors: FieldErrors): PodSpec {
  const munged = { ...now } as Mutable<PodSpec>;
  for (const list of ['containers', 'initContainers'] as const) {
    if (!now[list]) continue;
    munged[list] = now[list].map((c, i) => ({ ...c, image: was[list]![i]!.image })) as Mutable<Container>[];
  }
  const keep = munged as Record<string, unknown>;
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'schedulingGates'] as const) keep[key] = was[key];
  const grace = was.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0 && now.terminationGracePeriodSeconds === 1)
    munged.terminationGracePeriodSeconds = grace;
  if (was.schedulingGates?.length) allowGatedChanges(munged, was, errors);
  return munged as PodSpec;
}

// A gated pod has not been looked at by the scheduler: where it may go can still be narrowed.
function allowGatedChanges(munged: Mutable<PodSpec>, was: PodSpec, errors: FieldErrors): void {
  const keep = munged as Record<string, unknown>;
  const before = was.nodeSelector ?? {};
  const after = munged.nodeSelector ?? {};
  if (!deepEqual(before, after)) {
    if (Object.keys(before).some(k => after[k] !== before[k]))
      errors.invalid(
        SPEC.child('nodeSelector'),
        after,
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      );
    keep.nodeSelector = was.nodeSelector;
  }
  const oldAffinity = was.affinity?.nodeAffinity;
  const newAffinity = munged.affinity?.nodeAffinity as NodeAffinity | undefined;
  if (semanticEqual(oldAffinity, newAffinity)) return;
  validateNodeAffinityUpdate(newAffinity, oldAffinity, SPEC.child('affinity', 'nodeAffinity'), errors);
  const affinity: Record<string, unknown> = { ...munged.affinity };
  if (oldAffinity) affinity.nodeAffinity = oldAffinity;
  else delete affinity.nodeAffinity;
  keep.affinity = Object.keys(affinity).length > 0 || was.affinity ? affinity : undefined;
}

function validateNodeAffinityUpdate(
  now: NodeAffinity | undefined,
  was: NodeAffinity | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const before = was?.[REQUIRED]?.nodeSelectorTerms ?? [];
  const after = now?.[REQUIRED]?.nodeSelectorTerms ?? [];
  if (before.length === 0) return;
  const here = at.child(REQUIRED, 'nodeSelectorTerms');
  if (before.length !== after.length) {
    errors.invalid(here, after, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed');
    return;
  }
  for (const [i, old] of before.entries()) {
    const term = after[i]!;
    if (!onlyAdds(term, old))
      errors.invalid(here.index(i), term, 'only additions are allowed (no mutations or deletions)');
  }
}

/** An empty term selects nothing: whatever is added to it widens it. */
function onlyAdds(now: NodeSelectorTerm, was: NodeSelectorTerm): boolean {
  const size = (term: NodeSelectorTerm) => (term.matchExpressions?.length ?? 0) + (term.matchFields?.length ?? 0);
  if (size(was) === 0 && size(now) > 0) return false;
  return (['matchExpressions', 'matchFields'] as const).every(key => {
    const before = was[key] ?? [];
    return semanticEqual((now[key] ?? []).slice(0, before.length), before);
  });
}

/** Debug containers may be added, never changed or taken away. */
export function validateEphemeralUpdate(pod: Pod, old: Pod, errors: FieldErrors): void {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    errors.forbidden(path(''), 'static pods do not support ephemeral containers');
    return;
  }
  const now = new Map((pod.spec.ephemeralContainers ?? []).map(c => [c.name, c]));
  const at = SPEC.child('ephemeralContainers');
  for (const before of old.spec.ephemeralContainers ?? []) {
    const after = now.get(before.name);
    const name = JSON.stringify(before.name);
    if (!after) errors.forbidden(at, `existing ephemeral containers ${name} may not be removed\n`);
    else if (!semanticEqual(after, before))
      errors.forbidden(at, `existing ephemeral containers ${name} may not be changed\n${diffText(before, after)}`);
  }
}
