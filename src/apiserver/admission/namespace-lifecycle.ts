// NamespaceLifecycle: nothing is written in a namespace that is absent, or created in one that is being deleted; the
// system's own stay.
import { isPathSegmentName } from '../../api/name-rule.ts';
import { forbidden, internalError, notFound, StatusError } from '../../api/status.ts';
import type { Namespace } from '../../api/type/core-v1.ts';
import { quote } from '../../base/quote.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionPlugin } from './admission.ts';

const immortal = new Set(['default', 'kube-system', 'kube-public']);
// Reviews are about a namespace, not in it.
const accessReviews = new Set(['localsubjectaccessreviews']);

export function namespaceLifecycle(namespaces: WatchCache): AdmissionPlugin {
  return {
    name: 'NamespaceLifecycle',
    handles: ({ operation, resource }) =>
      resource.group === '' && resource.resource === 'namespaces'
        ? operation === 'DELETE'
        : (operation === 'CREATE' || operation === 'UPDATE') && resource.namespaced,
    mutate({ operation, resource, namespace, name, subresource }) {
      if (operation === 'DELETE') {
        if (immortal.has(name)) throw forbidden(resource, name, 'this namespace may not be deleted');
        return;
      }
      // An object without a namespace is validation's to refuse.
      if (!namespace || accessReviews.has(resource.resource)) return;
      const stored = namespaces.latest(namespace);
      if (!stored) throw absent(namespace);
      if (operation === 'UPDATE') return;
      const { metadata, status } = stored.object as unknown as Namespace;
      if (status.phase !== 'Terminating' && metadata.deletionTimestamp === undefined) return;
      const error = forbidden(
        resource,
        name,
        `unable to create new content in namespace ${namespace} because it is being terminated`,
      );
      const causes = [
        {
          reason: 'NamespaceTerminating',
          message: `namespace ${namespace} is being terminated`,
          field: 'metadata.namespace',
        },
      ];
      if (!subresource) throw new StatusError(403, 'Forbidden', error.message, { ...error.status.details, causes });
      throw error;
    },
  };
}

/** Kubernetes asks its own server for the namespace; its client refuses names that make no path. */
function absent(namespace: string): StatusError {
  const wrong = isPathSegmentName(namespace);
  if (!wrong.length) return notFound({ group: '', resource: 'namespaces' }, namespace);
  return internalError(`invalid resource name ${quote(namespace)}: [${wrong.join(' ')}]`);
}
