// PodTopologyLabels: pods carry the zone and the region of their node, for containers to read by the downward API.
import type { KubeObject, Mutable } from '../../api/meta.ts';
import type { Binding, Pod } from '../../api/type/core-v1.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionPlugin } from './admission.ts';

const copied = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** The node's labels win over those the pod has. `pods/binding` gives the pod the binding's. */
export function podTopologyLabels(nodes: WatchCache): AdmissionPlugin {
  return {
    name: 'PodTopologyLabels',
    handles: ({ operation, resource, subresource }) =>
      operation === 'CREATE' &&
      resource.resource === 'pods' &&
      resource.group === '' &&
      (subresource === '' || subresource === 'binding'),
    mutate({ object, subresource }) {
      const node = subresource === 'binding' ? nodeOf(object!) : (object as unknown as Pod).spec.nodeName;
      const labels = node ? nodes.get(node)?.object.metadata.labels : undefined;
      if (!labels) return;
      const found = copied.filter(key => labels[key] !== undefined).map(key => [key, labels[key]!] as const);
      if (found.length) object!.metadata.labels = { ...object!.metadata.labels, ...Object.fromEntries(found) };
    },
  };
}

function nodeOf(object: Mutable<KubeObject>): string | undefined {
  const { target } = object as unknown as Binding;
  return target?.kind === 'Node' ? target.name : undefined;
}
