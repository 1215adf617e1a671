// NodeDeclaredFeatureValidator: a pod on a node changes only as its node says it can follow.
import { featuresNeededForUpdate, undeclared } from '../../api/node-feature.ts';
import { forbidden } from '../../api/status.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionPlugin } from './admission.ts';

export function nodeDeclaredFeatureValidator(nodes: WatchCache): AdmissionPlugin {
  return {
    name: 'NodeDeclaredFeatureValidator',
    handles: ({ operation, resource, object, old }) =>
      operation === 'UPDATE' &&
      resource.resource === 'pods' &&
      resource.group === '' &&
      object?.metadata.generation !== old?.metadata.generation,
    validate({ object, old, resource, name }) {
      const { spec } = object as unknown as Pod;
      const { nodeName } = spec;
      if (!nodeName) return;
      const needed = featuresNeededForUpdate((old as unknown as Pod).spec, spec);
      if (!needed.length) return;
      const node = nodes.get(nodeName)?.object as Node | undefined;
      if (!node) throw forbidden(resource, name, `node "${nodeName}" not found`);
      const lacking = undeclared(needed, node);
      if (lacking.length)
        throw forbidden(
          resource,
          name,
          `pod update requires features ${lacking.join(', ')} which are not available on node "${nodeName}"`,
        );
    },
  };
}
