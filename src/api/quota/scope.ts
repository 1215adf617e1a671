// Which objects a quota is about.
import { podQosClass } from '../qos.ts';
import type { PersistentVolumeClaim, Pod, ResourceQuota, ScopedResourceSelectorRequirement } from '../type/core-v1.ts';
import { type Counted, countName, isDeviceClaim, isDeviceName } from './usage.ts';

/** `scopes` and `scopeSelector` of a quota in one form. */
export function scopesOf(quota: ResourceQuota): readonly ScopedResourceSelectorRequirement[] {
  return [
    ...(quota.spec?.scopes ?? []).map(
      scopeName => ({ scopeName, operator: 'Exists' }) as ScopedResourceSelectorRequirement,
    ),
    ...(quota.spec?.scopeSelector?.matchExpressions ?? []),
  ];
}

/** Does the quota count this object? Every scope must match; only pods (and claims) have scopes. */
export const matchesScopes = (quota: ResourceQuota, counted: Counted, object: object): boolean =>
  scopesOf(quota).every(scope => matchesScope(scope, counted, object));

export function matchesScope(scope: ScopedResourceSelectorRequirement, counted: Counted, object: object): boolean {
  if (counted.group !== '') return false;
  if (counted.resource === 'pods') return podMatches(scope, object as Pod);
  return counted.resource === 'persistentvolumeclaims' && claimMatches(scope, object as PersistentVolumeClaim);
}

function claimMatches(scope: ScopedResourceSelectorRequirement, claim: PersistentVolumeClaim): boolean {
  if (scope.scopeName !== 'VolumeAttributesClass') return false;
  const names = [
    claim.spec.volumeAttributesClassName,
    claim.status?.currentVolumeAttributesClassName,
    claim.status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((n): n is string => n !== undefined && n !== '');
  return names.length === 0 ? matchesValue(scope, '') : names.some(n => matchesValue(scope, n));
}

function podMatches(scope: ScopedResourceSelectorRequirement, pod: Pod): boolean {
  switch (scope.scopeName) {
    case 'Terminating':
      return isTerminating(pod);
    case 'NotTerminating':
      return !isTerminating(pod);
    case 'BestEffort':
      return podQosClass(pod.spec) === 'BestEffort';
    case 'NotBestEffort':
      return podQosClass(pod.spec) !== 'BestEffort';
    case 'PriorityClass':
      return matchesValue(scope, pod.spec.priorityClassName ?? '');
    case 'CrossNamespacePodAffinity':
      return usesOtherNamespaces(pod);
    default:
      return false;
  }
}

const isTerminating = ({ spec }: Pod) => spec.activeDeadlineSeconds !== undefined && spec.activeDeadlineSeconds >= 0;

function matchesValue({ operator, values = [] }: ScopedResourceSelectorRequirement, value: string): boolean {
  switch (operator) {
    case 'In':
      return values.includes(value);
    case 'NotIn':
      return !values.includes(value);
    case 'Exists':
      return value !== '';
    case 'DoesNotExist':
      return value === '';
    default:
      return false;
  }
}

function usesOtherNamespaces({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  return [podAffinity, podAntiAffinity].some(a =>
    [
      ...(a?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(a?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(w => w.podAffinityTerm),
    ].some(term => (term.namespaces?.length ?? 0) > 0 || term.namespaceSelector !== undefined),
  );
}

const podNames = new Set(['pods', 'cpu', 'memory', 'ephemeral-storage']);

/** May an object of this kind use the resource of this name in a quota? */
export function concerns(counted: Counted, name: string): boolean {
  if (name === countName(counted)) return true;
  if (isDeviceClaim(counted)) return isDeviceName(name);
  if (counted.group !== '') return false;
  switch (counted.resource) {
    case 'pods':
      return (
        podNames.has(name) ||
        name.startsWith('hugepages-') ||
        name.startsWith('limits.') ||
        (name.startsWith('requests.') && name !== 'requests.storage')
      );
    case 'persistentvolumeclaims':
      return (
        name === 'persistentvolumeclaims' ||
        name === 'requests.storage' ||
        name.includes('.storageclass.storage.k8s.io/')
      );
    case 'services':
      return name === 'services' || name.startsWith('services.');
    default:
      return name === counted.resource;
  }
}
