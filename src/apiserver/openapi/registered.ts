// The group versions that have the kinds every group has (DeleteOptions, WatchEvent), whatever of them is served.
import { builtinResources } from '../../api/resource.ts';

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

/** Those that Kubernetes has types of and serves nothing in. */
const unserved = [
  'admission.k8s.io/v1',
  'admission.k8s.io/v1beta1',
  'apiextensions.k8s.io/v1beta1',
  'apiregistration.k8s.io/v1beta1',
  'apps/v1beta1',
  'apps/v1beta2',
  'authentication.k8s.io/v1alpha1',
  'authentication.k8s.io/v1beta1',
  'authorization.k8s.io/v1beta1',
  'batch/v1beta1',
  'discovery.k8s.io/v1beta1',
  'events.k8s.io/v1beta1',
  'extensions/v1beta1',
  'flowcontrol.apiserver.k8s.io/v1beta1',
  'flowcontrol.apiserver.k8s.io/v1beta2',
  'flowcontrol.apiserver.k8s.io/v1beta3',
  'imagepolicy.k8s.io/v1alpha1',
  'node.k8s.io/v1alpha1',
  'node.k8s.io/v1beta1',
  'policy/v1beta1',
  'rbac.authorization.k8s.io/v1alpha1',
  'rbac.authorization.k8s.io/v1beta1',
  'scheduling.k8s.io/v1beta1',
  'storage.k8s.io/v1alpha1',
];

/** Each once, in order. */
export function groupVersions(all: Iterable<GroupVersion>): GroupVersion[] {
  const byName = new Map<string, GroupVersion>();
  for (const { group, version } of all) byName.set(`${group}/${version}`, { group, version });
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, gv]) => gv);
}

let registered: GroupVersion[] | undefined;

export function registeredGroupVersions(): readonly GroupVersion[] {
  registered ??= groupVersions([
    ...builtinResources().resources,
    ...unserved.map(gv => gv.split('/')).map(([group = '', version = '']) => ({ group, version })),
  ]);
  return registered;
}
