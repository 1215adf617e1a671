// What expressions of policies and match conditions may ask the authorizer.
import {
  type AskAuthorizer,
  type AuthorizerQuestion,
  authorizerValue,
  resourceCheckValue,
} from '../../api/cel/lib/authorizer.ts';
import { parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector } from '../../api/label-selector.ts';
import { messageOf } from '../../base/assert.ts';
import { serviceAccountUser } from '../authn/user.ts';
import type { Attributes, Authorizer } from '../authz/authorizer.ts';
import type { AdmissionAttributes } from './admission.ts';

/** Values of the variables `authorizer` and `authorizer.requestResource` for one request. */
export function authorizerBindings(
  authorizer: Authorizer,
  { resource, subresource, namespace, name, user }: AdmissionAttributes,
) {
  const ask: AskAuthorizer = question => {
    try {
      const { decision, reason = '' } = authorizer.authorize(asAttributes(question));
      return { allowed: decision === 'allow', reason, error: '' };
    } catch (error) {
      return { allowed: false, reason: '', error: messageOf(error) };
    }
  };
  const asAttributes = (q: AuthorizerQuestion): Attributes => ({
    user: q.serviceAccount ? serviceAccountUser(q.serviceAccount.namespace, q.serviceAccount.name) : user,
    verb: q.verb,
    isResource: q.path === undefined,
    group: q.group,
    version: '*',
    resource: q.resource,
    subresource: q.subresource,
    namespace: q.namespace,
    name: q.name,
    path: q.path ?? '',
    ...(q.labelSelector ? { labelSelector: parseLabelSelector(q.labelSelector) } : {}),
    ...(q.fieldSelector ? { fieldSelector: parseFieldSelector(q.fieldSelector) } : {}),
  });
  const { group, resource: plural } = resource;
  return {
    authorizer: authorizerValue(ask),
    'authorizer.requestResource': resourceCheckValue(ask, { group, resource: plural, subresource, namespace, name }),
  };
}
