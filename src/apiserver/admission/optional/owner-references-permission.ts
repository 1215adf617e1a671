// OwnerReferencesPermissionEnforcement: whose object goes when its owner does, and whose deletion waits for it, is said
// by those who might delete the one and hold up the other.
import { semanticEqual } from '../../../api/rule/record.ts';
import { forbidden } from '../../../api/status.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import type { UserInfo } from '../../authn/user.ts';
import type { Attributes, Authorizer } from '../../authz/authorizer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

/** A resource of a kind; several where the kind has more than one. */
export interface OwnerResource {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly namespaced: boolean;
}

export interface OwnerReferencesDeps {
  readonly authorizer: Authorizer;
  resourcesOf(apiVersion: string, kind: string): readonly OwnerResource[];
}

const ownersOf = (object: AdmissionAttributes['object'] | AdmissionAttributes['old']) =>
  (object?.metadata?.ownerReferences ?? []) as readonly OwnerReference[];

export function ownerReferencesPermission({ authorizer, resourcesOf }: OwnerReferencesDeps): AdmissionPlugin {
  /** Undefined when allowed, else why not. */
  async function refusal(user: UserInfo, verb: string, on: Omit<Attributes, 'user' | 'verb' | 'isResource' | 'path'>) {
    const verdict = await authorizer.authorize({ ...on, user, verb, isResource: true, path: '' });
    return verdict.decision === 'allow' ? undefined : `${verdict.reason}, ${verdict.error ?? '<nil>'}`;
  }
  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: ({ operation, resource, subresource, object, old }) =>
      (operation === 'CREATE' || operation === 'UPDATE') &&
      // The kubelet's, over and over.
      !(resource.group === '' && resource.resource === 'pods' && subresource === 'status') &&
      !semanticEqual(ownersOf(object), ownersOf(old)),
    async validate(attributes) {
      const { operation, resource, subresource, namespace, name, user, object, old } = attributes;
      if (operation !== 'CREATE') {
        const { group, version } = resource;
        const on = { group, version, resource: resource.resource, subresource, namespace, name };
        const why = await refusal(user, 'delete', on);
        if (why !== undefined)
          throw forbidden(resource, name, `cannot set an ownerRef on a resource you can't delete: ${why}`);
      }
      const before = ownersOf(old);
      const blocks = (list: readonly OwnerReference[], uid: string) =>
        list.some(o => o.uid === uid && o.blockOwnerDeletion === true);
      for (const owner of ownersOf(object)) {
        if (owner.blockOwnerDeletion !== true || blocks(before, owner.uid)) continue;
        const found = resourcesOf(owner.apiVersion, owner.kind);
        if (!found.length) {
          const why = `no matches for kind ${JSON.stringify(owner.kind)} in version ${JSON.stringify(owner.apiVersion)}`;
          throw forbidden(
            resource,
            name,
            `cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion ${owner.apiVersion} Kind ${owner.kind}: ${why}`,
          );
        }
        for (const { namespaced, group, version, resource: plural } of found) {
          const place = { namespace: namespaced ? namespace : '', name: owner.name };
          const on = { group, version, resource: plural, subresource: 'finalizers', ...place };
          const why = await refusal(user, 'update', on);
          if (why !== undefined)
            throw forbidden(
              resource,
              name,
              `cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: ${why}`,
            );
        }
      }
    },
  };
}
