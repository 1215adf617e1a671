import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { admissionregistrationV1 } from '../../api/refs.ts';
import type { ValidatingAdmissionPolicy } from '../../api/type/admissionregistration-v1.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { kindOfResource, namedResources, typeWarnings } from './kernel/type-check.ts';
import { validatingAdmissionPolicyStatusController } from './validating-admission-policy-status.ts';

const rule = (apiGroups: string[], resources: string[], apiVersions = ['v1']) => ({
  apiGroups,
  apiVersions,
  resources,
  operations: ['CREATE'],
});
const policy = (spec: object, name = 'p', generation = 1) =>
  ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name, generation },
    spec: { matchConstraints: { resourceRules: [rule(['apps'], ['deployments', 'replicasets'])] }, ...spec },
  }) as unknown as Draft<ValidatingAdmissionPolicy>;

it('warns of expressions that do not fit, once a generation', async () => {
  const odd = policy({
    variables: [{ name: 'replicas', expression: 'object.spec.replicas' }],
    validations: [
      { expression: 'object.spec.paused', messageExpression: '"x" + object.spec.nothing' },
      { expression: 'variables.replicas < 5' },
      { expression: 'variables.replicas == "5"' },
    ],
  });
  await using bench = await controllerBench([validatingAdmissionPolicyStatusController()], {
    objects: [odd, policy({ validations: [{ expression: 'has(object.spec.paused) || true' }] }, 'fine')],
  });
  await bench.settle();
  const status = (name: string) =>
    bench.client.object(admissionregistrationV1.validatingadmissionpolicies, name)!.status;
  assert.deepEqual(status('p').typeChecking, {
    expressionWarnings: [
      {
        fieldRef: 'spec.validations[0].expression',
        warning:
          "apps/v1, Kind=ReplicaSet: ERROR: <input>:1:12: undefined field 'paused'\n | object.spec.paused\n | ...........^",
      },
      {
        fieldRef: 'spec.validations[0].messageExpression',
        warning: ['Deployment', 'ReplicaSet']
          .map(
            kind =>
              `apps/v1, Kind=${kind}: ERROR: <input>:1:18: undefined field 'nothing'\n | "x" + object.spec.nothing\n | .................^`,
          )
          .join('\n'),
      },
      {
        fieldRef: 'spec.validations[2].expression',
        warning: ['Deployment', 'ReplicaSet']
          .map(
            kind =>
              `apps/v1, Kind=${kind}: ERROR: <input>:1:20: found no matching overload for '_==_' applied to '(int, string)'\n | variables.replicas == "5"\n | ...................^`,
          )
          .join('\n'),
      },
    ],
  });
  assert.equal(status('p').observedGeneration, 1);
  assert.match(JSON.stringify(status('fine').typeChecking), /Kind=ReplicaSet: ERROR/);
  bench.client.clearActions();
  bench.client.set(admissionregistrationV1.validatingadmissionpolicies, {
    ...bench.client.object(admissionregistrationV1.validatingadmissionpolicies, 'p')!,
  } as never);
  await bench.settle();
  assert.deepEqual(bench.client.writes(), []);
});

it('leaves out wildcards and subresources, and takes ten types at most', () => {
  const rules = (...resourceRules: object[]) =>
    namedResources(policy({ matchConstraints: { resourceRules } }) as ValidatingAdmissionPolicy).length;
  assert.equal(rules(rule(['*'], ['deployments'])), 0);
  assert.equal(rules(rule([''], ['pods', 'pods/status'])), 1);
  assert.equal(kindOfResource({ group: 'example.com', version: 'v1', resource: 'things' }), undefined);
  assert.equal(rules(rule([''], ['pods']), rule([''], ['pods', 'services'])), 2);
  const kinds = Array.from({ length: 12 }, (_, i) => ({ label: `k${i}`, type: { kind: 'int' } as const }));
  const p = policy({ validations: [{ expression: 'object.x' }] }) as ValidatingAdmissionPolicy;
  assert.equal(typeWarnings(p, kinds, undefined)[0]!.warning.match(/Kind|k\d+: ERROR/g)!.length, 10);
});
