import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, Operation } from './admission.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';

const phases: Readonly<Record<string, string>> = { here: 'Active', going: 'Terminating' };
const latest = (name: string) => phases[name] && { object: { metadata: {}, status: { phase: phases[name] } } };
const plugin = namespaceLifecycle({ latest } as unknown as WatchCache);

function refusal(operation: Operation, id: string, namespace: string, name = 'x'): string {
  const attributes = {
    operation,
    resource: builtinResources().byId(id),
    subresource: '',
    namespace,
    name,
  } as unknown as AdmissionAttributes;
  if (!plugin.handles(attributes)) return '';
  try {
    plugin.mutate!(attributes);
    return '';
  } catch (error) {
    const { code, message } = error as { code: number; message: string };
    return `${code} ${message}`;
  }
}

test('nothing is written where there is no namespace, or made where it is going', () => {
  const maps = '/v1/configmaps';
  for (const operation of ['CREATE', 'UPDATE'] as const) {
    assert.equal(refusal(operation, maps, 'here'), '');
    assert.equal(refusal(operation, maps, 'gone'), '404 namespaces "gone" not found');
  }
  assert.equal(
    refusal('CREATE', maps, 'going'),
    '403 configmaps "x" is forbidden: unable to create new content in namespace going because it is being terminated',
  );
  assert.equal(refusal('UPDATE', maps, 'going'), '');
  assert.equal(refusal('DELETE', maps, 'gone'), '');
  assert.equal(refusal('CREATE', 'authorization.k8s.io/v1/localsubjectaccessreviews', 'gone'), '');
});

test('three namespaces stay', () => {
  for (const name of ['default', 'kube-system', 'kube-public'])
    assert.equal(
      refusal('DELETE', '/v1/namespaces', name, name),
      `403 namespaces "${name}" is forbidden: this namespace may not be deleted`,
    );
  assert.equal(refusal('DELETE', '/v1/namespaces', 'kube-node-lease', 'kube-node-lease'), '');
});
