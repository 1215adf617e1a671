// validatingadmissionpolicy-status-controller: tells in a policy's status which expressions do not fit the types of the
// resources it names.
import { admissionregistrationV1 } from '../../api/refs.ts';
import type { ValidatingAdmissionPolicy } from '../../api/type/admissionregistration-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { namedResources, typeWarnings } from './kernel/type-check.ts';
import { kindOfResource, typeOfKind } from './type-source.ts';

const name = 'validatingadmissionpolicy-status-controller';
const fieldManager = 'validatingadmissionpolicy-status-controller';
const policies = admissionregistrationV1.validatingadmissionpolicies;

export function validatingAdmissionPolicyStatusController(): Controller {
  return {
    name,
    serviceAccount: name,
    watches: [
      {
        resource: policies,
        keys: (policy: ValidatingAdmissionPolicy, _old, _context, deleted) => (deleted ? [] : [policy.metadata.name]),
      },
    ],
    writes: ['validatingadmissionpolicies/status'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, { client, lister }: ControllerContext): Promise<void> {
  const policy = lister(policies).get(key);
  if (!policy || policy.metadata.generation === policy.status?.observedGeneration) return;
  const found = await Promise.all(namedResources(policy).map(r => kindOfResource(r, client)));
  const { paramKind } = policy.spec;
  const params = paramKind && (await typeOfKind(groupVersionKind(paramKind), client));
  const expressionWarnings = typeWarnings(
    policy,
    found.filter(k => k !== undefined),
    params,
  );
  const body = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: key },
    status: {
      observedGeneration: policy.metadata.generation,
      typeChecking: expressionWarnings.length > 0 ? { expressionWarnings } : {},
    },
  };
  await client.patch(
    policies,
    { name: key },
    { type: 'apply', body, force: true },
    { fieldManager, subresource: 'status' },
  );
}

function groupVersionKind({ apiVersion = '', kind = '' }: { apiVersion?: string; kind?: string }) {
  const slash = apiVersion.indexOf('/');
  return { group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1), kind };
}
