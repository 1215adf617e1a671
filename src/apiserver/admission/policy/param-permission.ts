// Who writes a policy or a binding must be able to read the parameters it reads. Kubernetes does this in the storage of
// these kinds; here it is the last word of admission.
import { apiVersionOf } from '../../../api/ref.ts';
import { invalid } from '../../../api/status.ts';
import type {
  ParamKind,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/type/admissionregistration-v1.ts';
import { systemPrivilegedGroup, type UserInfo } from '../../authn/user.ts';
import type { Attributes } from '../../authz/authorizer.ts';
import type { ApiContext } from '../../context.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

const POLICIES = new Set(['validatingadmissionpolicies', 'mutatingadmissionpolicies']);
const BINDINGS = new Map([
  ['validatingadmissionpolicybindings', 'validatingadmissionpolicies'],
  ['mutatingadmissionpolicybindings', 'mutatingadmissionpolicies'],
]);

export function paramPermission(context: ApiContext): AdmissionPlugin {
  return {
    name: 'PolicyParamPermission',
    handles: ({ resource, operation, subresource, user }) =>
      resource.group === 'admissionregistration.k8s.io' &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE') &&
      !user.groups.includes(systemPrivilegedGroup) &&
      (POLICIES.has(resource.resource) || BINDINGS.has(resource.resource)),
    async validate(attributes) {
      const policies = BINDINGS.get(attributes.resource.resource);
      const complaint = policies
        ? await checkBinding(attributes, policies, context)
        : await checkPolicy(attributes, context);
      if (!complaint) return;
      const { group, kind } = attributes.resource;
      const field = policies ? 'spec.paramRef' : 'spec.paramKind';
      const cause = { reason: 'FieldValueForbidden', field, message: `Forbidden: ${complaint}` } as const;
      throw invalid({ group, resource: kind }, attributes.name, [cause]);
    },
  };
}

// As Go prints a user.
const userText = ({ name, uid = '', groups, extra = {} }: UserInfo): string => {
  const entries = Object.keys(extra)
    .sort()
    .map(k => `${k}:[${extra[k]!.join(' ')}]`);
  return `&{${name} ${uid} [${groups.join(' ')}] map[${entries.join(' ')}]}`;
};

interface Target {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}
/** Where the kind is not known: all there is. */
const EVERYTHING: Target = { group: '*', version: '*', resource: '*' };

function targetOf({ apiVersion = '', kind }: ParamKind, context: ApiContext): Target {
  for (const r of context.resources.values())
    if (r.kind === kind && apiVersionOf(r) === apiVersion && r.storagePrefix !== '') return r;
  const slash = apiVersion.indexOf('/');
  return { group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1), resource: '*' };
}

async function may(context: ApiContext, user: UserInfo, verb: string, target: Target, namespace: string, name: string) {
  const attributes: Attributes = {
    user,
    verb,
    isResource: true,
    group: target.group,
    version: target.version,
    resource: target.resource,
    subresource: '',
    namespace,
    name,
    path: '',
  };
  return (await context.authorizer.authorize(attributes)).decision === 'allow';
}

async function checkPolicy({ object, old, user }: AdmissionAttributes, context: ApiContext): Promise<string> {
  const { paramKind } = (object as unknown as ValidatingAdmissionPolicy).spec ?? {};
  const before = (old as unknown as ValidatingAdmissionPolicy | undefined)?.spec.paramKind;
  if (!paramKind || (before?.kind === paramKind.kind && before?.apiVersion === paramKind.apiVersion)) return '';
  if (await may(context, user, 'get', targetOf(paramKind, context), '*', '*')) return '';
  return `user ${userText(user)} must have "get" permission on all objects of the referenced paramKind (kind=${paramKind.kind}, apiVersion=${paramKind.apiVersion})`;
}

async function checkBinding(
  { object, old, user }: AdmissionAttributes,
  policies: string,
  context: ApiContext,
): Promise<string> {
  const { paramRef, policyName = '' } = (object as unknown as ValidatingAdmissionPolicyBinding).spec ?? {};
  const before = (old as unknown as ValidatingAdmissionPolicyBinding | undefined)?.spec;
  if (!paramRef) return '';
  if (before && before.policyName === policyName && JSON.stringify(before.paramRef) === JSON.stringify(paramRef))
    return '';
  const policy = context.registries.get(`admissionregistration.k8s.io/${policies}`)?.cache.latest(policyName);
  const kind = (policy?.object as unknown as ValidatingAdmissionPolicy | undefined)?.spec.paramKind;
  const verb = paramRef.selector ? 'list' : 'get';
  const target = kind ? targetOf(kind, context) : EVERYTHING;
  if (await may(context, user, verb, target, paramRef.namespace ?? '', paramRef.name ?? '')) return '';
  if (!policy)
    return `unable to get policy ${policyName} to determine minimum required permissions and user ${userText(user)} does not have "${verb}" permission for all groups, versions and resources`;
  return `user ${userText(user)} does not have "${verb}" permission on the object referenced by paramRef`;
}
