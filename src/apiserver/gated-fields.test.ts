// Fields whose feature is switched off, in parts that are held once.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, testApi } from './test-api.ts';
import { mergePatch } from './test-caller.ts';

const api = testApi({
  featureGates: { EnvFiles: false, StrictIPCIDRValidation: false, ClearingNominatedNodeNameAfterBinding: false },
});
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

test('addresses are written as they might be before 1.36', async () => {
  const namespace = await newNamespace();
  const at = `/api/v1/namespaces/${namespace}`;
  const spec = { ports: [{ port: 80 }], externalIPs: ['010.0.0.7'], type: 'LoadBalancer' };
  const service = { metadata: { name: 's' }, spec: { ...spec, loadBalancerSourceRanges: ['10.0.0.1/08'] } };
  const made = await api.expect(201, 'POST', `${at}/services`, service);
  assert.deepEqual(made.spec.externalIPs, ['010.0.0.7']);
  const { message } = await api.expect(422, 'POST', `${at}/services`, {
    metadata: { name: 't' },
    spec: { ...spec, externalIPs: ['1.2.3'] },
  });
  assert.match(message, /must be a valid IP address/);
  await api.expect(201, 'POST', `${at}/endpoints`, {
    metadata: { name: 'e' },
    subsets: [{ addresses: [{ ip: '010.0.0.8' }], ports: [{ port: 80 }] }],
  });
  await api.expect(201, 'POST', `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`, {
    metadata: { name: 'n' },
    spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.1.2.3/8' } }] }] },
  });
  await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
  await api.expect(201, 'POST', `${at}/pods`, {
    metadata: { name: 'p' },
    spec: { hostAliases: [{ ip: '010.0.0.9', hostnames: ['h'] }], containers: [{ name: 'c', image: 'x' }] },
  });
});

test('where a pod was expected stays after it is bound', async () => {
  const namespace = await newNamespace();
  const at = `/api/v1/namespaces/${namespace}`;
  await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
  await api.expect(201, 'POST', `${at}/pods`, {
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  });
  await api.expect(200, 'PATCH', `${at}/pods/p/status`, { status: { nominatedNodeName: 'n' } }, mergePatch);
  await api.expect(201, 'POST', `${at}/pods/p/binding`, { target: { kind: 'Node', name: 'n' } });
  assert.equal((await api.expect(200, 'GET', `${at}/pods/p`)).status.nominatedNodeName, 'n');
});
