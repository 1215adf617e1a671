// What a status update of a pod may say.
import { own } from '../../../base/own.ts';
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Subdomain, isQualifiedName, isUnixId, NOT_NEGATIVE } from '../../name-rule.ts';
import type { Container, ContainerStatus, Pod } from '../../type/core-v1.ts';
import { validateIp } from './ip-value.ts';
import { validateAnnotationUpdates, validatePodAnnotations } from './pod-annotation.ts';

const STATUS = path('status');

export function validatePodStatusUpdate(pod: Pod, old: Pod, errors: FieldErrors): void {
  const { status, spec } = pod;
  const annotations = path('metadata.annotations');
  validateAnnotationUpdates(pod.metadata.annotations ?? {}, old.metadata.annotations ?? {}, annotations, errors);
  validatePodAnnotations(pod.metadata.annotations ?? {}, spec, annotations, errors);
  if (status.nominatedNodeName)
    for (const m of isDns1123Subdomain(status.nominatedNodeName))
      errors.invalid(STATUS.child('nominatedNodeName'), status.nominatedNodeName, m);
  if ((spec.nodeName ?? '') !== (old.spec.nodeName ?? ''))
    errors.forbidden(STATUS.child('nodeName'), 'may not be changed directly');
  if ((status.observedGeneration ?? 0) < 0)
    errors.invalid(STATUS.child('observedGeneration'), status.observedGeneration, NOT_NEGATIVE);
  validateConditions(pod, errors);
  validateTransitions(pod, old, errors);
  if (old.status.qosClass && status.qosClass !== old.status.qosClass)
    errors.invalid(STATUS.child('qosClass'), status.qosClass, IMMUTABLE);
  validateIps(status.podIPs, STATUS.child('podIPs'), errors);
  validateIps(status.hostIPs, STATUS.child('hostIPs'), errors);
  validateClaimStatuses(pod, errors);
  for (const [statuses, containers] of STATUSES) {
    for (const [i, container] of (status[statuses] ?? []).entries()) {
      const at = STATUS.child(statuses).index(i);
      validateUser(container, spec.os?.name, at, errors);
      const spoken = (spec[containers] as readonly Container[] | undefined)?.find(c => c.name === container.name);
      validateHealth(container, spoken, at.child('allocatedResourcesStatus'), errors);
    }
  }
}

const STATUSES = [
  ['containerStatuses', 'containers'],
  ['initContainerStatuses', 'initContainers'],
  ['ephemeralContainerStatuses', 'ephemeralContainers'],
] as const;

function validateUser({ user }: ContainerStatus, os: string | undefined, at: FieldPath, errors: FieldErrors): void {
  const linux = user?.linux;
  if (!linux) return;
  const here = at.child('linux');
  if (os === 'windows') {
    errors.forbidden(here, 'cannot be set for a windows pod');
    return;
  }
  for (const field of ['uid', 'gid'] as const)
    for (const m of isUnixId(linux[field] ?? 0)) errors.invalid(here.child(field), linux[field], m);
  for (const [i, group] of (linux.supplementalGroups ?? []).entries())
    for (const m of isUnixId(group)) errors.invalid(here.child('supplementalGroups').index(i), group, m);
}

const HEALTH = ['Healthy', 'Unhealthy', 'Unknown'];

/** Of devices that the container asked for, each told of once. */
function validateHealth(
  { allocatedResourcesStatus: list }: ContainerStatus,
  container: Container | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const [i, { name, resources }] of (list ?? []).entries()) {
    const { requests, claims } = container?.resources ?? {};
    const claimed = claims?.some(c => name === `claim:${c.request ? `${c.name}/${c.request}` : c.name}`);
    if (!claimed && own(requests, name) === undefined)
      errors.invalid(at.index(i).child('name'), name, "must match one of the container's resource requests");
    const seen = new Set<string>();
    for (const [j, { resourceID, health }] of (resources ?? []).entries()) {
      const here = at.index(i).child('resources').index(j);
      if (seen.has(resourceID)) errors.duplicate(here.child('resourceID'), resourceID);
      seen.add(resourceID);
      if (health && !HEALTH.includes(health)) errors.notSupported(here.child('health'), health, HEALTH);
    }
  }
}

function validateConditions(pod: Pod, errors: FieldErrors): void {
  const builtin = new Set(['PodScheduled', 'Ready', 'Initialized', 'ContainersReady']);
  for (const [i, { type, observedGeneration: generation = 0 }] of (pod.status.conditions ?? []).entries()) {
    if (generation < 0)
      errors.invalid(STATUS.child('conditions').index(i).child('observedGeneration'), generation, NOT_NEGATIVE);
    if (builtin.has(type)) continue;
    for (const m of isQualifiedName(type)) errors.invalid(STATUS.child('conditions').index(i).child('type'), type, m);
  }
}

// A terminated container stays so, unless its policy starts it again, or another's end starts all of them.
function validateTransitions(pod: Pod, old: Pod, errors: FieldErrors): void {
  const check = (
    list: 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses',
    restarts: (before: ContainerStatus) => boolean,
  ) => {
    const now = pod.status[list] ?? [];
    for (const before of old.status[list] ?? []) {
      if (!before.state?.terminated || restarts(before)) continue;
      const i = now.findIndex(s => s.name === before.name);
      if (i >= 0 && !now[i]!.state?.terminated)
        errors.forbidden(STATUS.child(list).index(i).child('state'), 'may not be transitioned to non-terminated state');
    }
  };
  const policy = pod.spec.restartPolicy;
  const all =
    policy === 'Always' ||
    containersOf(pod).some(c => c.restartPolicyRules?.some(r => r.action === 'RestartAllContainers'));
  if (!all) {
    const restarts = ({ name, state }: ContainerStatus): boolean =>
      (state!.terminated!.exitCode !== 0 && policy === 'OnFailure') || mayRestart(pod, name);
    check('containerStatuses', restarts);
    check('initContainerStatuses', restarts);
  }
  // Whatever the policy of the pod.
  check('ephemeralContainerStatuses', () => false);
}

const containersOf = ({ spec }: Pod): readonly Container[] => [...spec.containers, ...(spec.initContainers ?? [])];

const mayRestart = (pod: Pod, name: string): boolean =>
  containersOf(pod).some(
    c =>
      c.name === name &&
      (c.restartPolicy === 'Always' || c.restartPolicy === 'OnFailure' || c.restartPolicyRules?.length),
  );

function validateIps(ips: readonly { readonly ip: string }[] | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!ips) return;
  for (const [i, { ip }] of ips.entries()) validateIp(ip, at.index(i), errors);
  const v6 = ips.filter(({ ip }) => ip.includes(':')).length;
  if (v6 > 1 || ips.length - v6 > 1) errors.invalid(at, ips, 'may specify no more than one IP for each IP family');
  const seen = new Set<string>();
  for (const [i, { ip }] of ips.entries()) {
    if (seen.has(ip)) errors.duplicate(at.index(i), ip);
    seen.add(ip);
  }
}

function validateClaimStatuses(pod: Pod, errors: FieldErrors): void {
  const known = new Set((pod.spec.resourceClaims ?? []).map(c => c.name));
  const seen = new Set<string>();
  for (const [i, { name, resourceClaimName }] of (pod.status.resourceClaimStatuses ?? []).entries()) {
    const here = STATUS.child('resourceClaimStatuses').index(i);
    if (!known.has(name))
      errors.invalid(here.child('name'), name, 'must match the name of an entry in `spec.resourceClaims`');
    if (seen.has(name)) errors.duplicate(here.child('name'), name);
    seen.add(name);
    if (resourceClaimName)
      for (const m of isDns1123Subdomain(resourceClaimName)) errors.invalid(here.child('name'), resourceClaimName, m);
  }
}
