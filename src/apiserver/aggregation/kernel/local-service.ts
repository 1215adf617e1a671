// The APIServices of what this server serves itself.

import type { Draft } from '../../../api/meta.ts';
import type { Group, Resource } from '../../../api/resource.ts';
import type { APIService } from '../../../api/type/apiregistration-v1.ts';

export const automanagedLabel = 'kube-aggregator.kubernetes.io/automanaged';
/** The group of APIServices themselves is nobody's service. */
const ownGroup = 'apiregistration.k8s.io';
/** Served here until an APIService names a service for it, which then stays. */
const replaceable = 'metrics.k8s.io';
const customGroupPriority = 1000;
const customVersionPriority = 100;

export const nameOf = (group: string, version: string): string => `${version}.${group}`;

/** By name. What custom resources add comes and goes: its label says so. */
export function localServices(groups: readonly Group[], resources: Iterable<Resource>): Map<string, Draft<APIService>> {
  const priorities = new Map(groups.map(g => [g.name, g]));
  const services = new Map<string, Draft<APIService>>();
  for (const r of resources) {
    const name = nameOf(r.group, r.version);
    if (r.group === ownGroup || r.group === replaceable || services.has(name)) continue;
    const group = priorities.get(r.group);
    const version = group?.versions.find(v => v.version === r.version);
    const builtin = r.typeName !== '';
    services.set(name, {
      metadata: { name, labels: { [automanagedLabel]: builtin ? 'onstart' : 'true' } },
      spec: {
        ...(r.group ? { group: r.group } : {}),
        version: r.version,
        groupPriorityMinimum: builtin ? (group?.priority ?? customGroupPriority) : customGroupPriority,
        versionPriority: builtin ? Math.max(1, version?.priority ?? 1) : customVersionPriority,
      },
    });
  }
  return services;
}
