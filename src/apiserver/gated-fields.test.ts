// Fields whose feature is switched off, in parts that are held once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, testApi } from './test-api.ts';

const api = testApi({ featureGates: { EnvFiles: false } });
const newNamespace = namespaces(api);

test('a variable out of a file goes from a list that is held once', async () => {
  const namespace = await newNamespace();
  await api.expect(201, 'POST', `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata: { name: 'default' } });
  const fileKeyRef = { volumeName: 'v', path: 'f', key: 'K' };
  const env = [1, 2, 3, 4].map(n => ({ name: `N${n}`, ...(n === 2 ? { valueFrom: { fileKeyRef } } : { value: 'x' }) }));
  const { message } = await api.expect(422, 'POST', `/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: 'p' },
    spec: { volumes: [{ name: 'v', emptyDir: {} }], containers: [{ name: 'c', image: 'x', env }] },
  });
  assert.match(message, /env\[1\]\.valueFrom: Invalid value: "": must specify one of/);
});
