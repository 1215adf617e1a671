// Annotations that mean something to pods.
import { quote } from '../../../base/quote.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import type { AppArmorProfile, Pod, PodSpec } from '../../type/core-v1.ts';

export const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';
export const DELETION_COST_ANNOTATION = 'controller.kubernetes.io/pod-deletion-cost';
export const APP_ARMOR_PREFIX = 'container.apparmor.security.beta.kubernetes.io/';
const LOCALHOST = 'localhost/';

type Annotations = Readonly<Record<string, string>>;

export function validatePodAnnotations(
  annotations: Annotations,
  spec: PodSpec,
  at: FieldPath,
  errors: FieldErrors,
): void {
  const mirror = annotations[MIRROR_ANNOTATION];
  if (mirror !== undefined && !spec.nodeName)
    errors.invalid(at.key(MIRROR_ANNOTATION), mirror, 'must set spec.nodeName if mirror pod annotation is set');
  const cost = annotations[DELETION_COST_ANNOTATION];
  if (cost !== undefined && !isDeletionCost(cost))
    errors.invalid(at.key(DELETION_COST_ANNOTATION), cost, 'must be a 32bit integer');
  for (const key in annotations) {
    if (!key.startsWith(APP_ARMOR_PREFIX)) continue;
    const profile = annotations[key]!;
    const container = key.slice(APP_ARMOR_PREFIX.length);
    if (!containerNames(spec).includes(container)) errors.invalid(at.key(key), container, 'container not found');
    if (!appArmorProfileOf(profile) && !profile.startsWith(LOCALHOST))
      errors.invalid(at.key(key), profile, `invalid AppArmor profile name: ${quote(profile)}`);
  }
}

const containerNames = (spec: PodSpec): string[] =>
  [...(spec.initContainers ?? []), ...(spec.containers ?? []), ...(spec.ephemeralContainers ?? [])].map(c => c.name);

const isDeletionCost = (text: string): boolean =>
  /^(0|-?[1-9][0-9]*)$/.test(text) && Number(text) >= -2147483648 && Number(text) <= 2147483647;

/** The profile an annotation names; undefined for nonsense. */
export function appArmorProfileOf(text: string): AppArmorProfile | undefined {
  if (text === '' || text === 'runtime/default') return { type: 'RuntimeDefault' };
  if (text === 'unconfined') return { type: 'Unconfined' };
  if (!text.startsWith(LOCALHOST) || text === LOCALHOST) return undefined;
  return { type: 'Localhost', localhostProfile: text.slice(LOCALHOST.length) };
}

/** What annotations of older clients say about AppArmor goes into the fields that kubelets read. */
export function adoptAppArmorAnnotations(pod: Mutable<Pod>): void {
  const annotations = pod.metadata.annotations;
  if (!annotations || pod.spec.os?.name === 'windows') return;
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const text = annotations[APP_ARMOR_PREFIX + container.name];
    if (!text || container.securityContext?.appArmorProfile) continue;
    const profile = appArmorProfileOf(text);
    if (!profile || sameProfile(profile, pod.spec.securityContext?.appArmorProfile)) continue;
    container.securityContext ??= {};
    container.securityContext.appArmorProfile = { ...profile };
  }
}

const sameProfile = (a: AppArmorProfile, b: AppArmorProfile | undefined): boolean =>
  a.type === b?.type && a.localhostProfile === b.localhostProfile;

/** Annotation and field of one container must say the same. */
export function validateAppArmorAgreement(pod: Pod, at: FieldPath, errors: FieldErrors): void {
  const { annotations } = pod.metadata;
  if (!annotations || pod.spec.os?.name === 'windows') return;
  for (const list of ['initContainers', 'containers'] as const) {
    for (const [i, container] of (pod.spec[list] ?? []).entries()) {
      const text = annotations[APP_ARMOR_PREFIX + container.name];
      const field = container.securityContext?.appArmorProfile;
      if (!text || !field) continue;
      const profile = appArmorProfileOf(text);
      if (!profile || sameProfile(profile, field)) continue;
      const here = at.child(list).index(i).child('securityContext', 'appArmorProfile');
      if (profile.type === field.type)
        errors.forbidden(here.child('localhostProfile'), 'apparmor profile in annotation and field must match');
      else errors.forbidden(here.child('type'), 'apparmor type in annotation and field must match');
    }
  }
}

/** Annotations that, once set, stay as they are. */
export function validateAnnotationUpdates(
  now: Annotations,
  old: Annotations,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const key in old) {
    if (now[key] === old[key]) continue;
    if (key.startsWith(APP_ARMOR_PREFIX))
      errors.forbidden(at.key(key), 'may not remove or update AppArmor annotations');
    if (key === MIRROR_ANNOTATION) errors.forbidden(at.key(key), 'may not remove or update mirror pod annotation');
  }
  for (const key in now) {
    if (old[key] !== undefined) continue;
    if (key.startsWith(APP_ARMOR_PREFIX)) errors.forbidden(at.key(key), 'may not add AppArmor annotations');
    if (key === MIRROR_ANNOTATION) errors.forbidden(at.key(key), 'may not add mirror pod annotation');
  }
}
