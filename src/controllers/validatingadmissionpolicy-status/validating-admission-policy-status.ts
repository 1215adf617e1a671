// validatingadmissionpolicy-status-controller: tells in a policy's status which expressions do not fit the types of the
// resources it names.
import { admissionregistrationV1 } from '../../api/refs.ts';
import type { ValidatingAdmissionPolicy } from '../../api/type/admissionregistration-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { kindOfResource, namedResources, typeOfParams, typeWarnings } from './kernel/type-check.ts';

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
  const kinds = namedResources(policy).map(kindOfResource);
  const { paramKind } = policy.spec;
  const expressionWarnings = typeWarnings(
    policy,
    kinds.filter(k => k !== undefined),
    paramKind && typeOfParams(paramKind),
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
