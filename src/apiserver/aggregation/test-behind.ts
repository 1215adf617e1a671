// A service `behind` of namespace `lab` for APIServices, whose address the test's server dials elsewhere.
import type { Caller, Json } from '../test-caller.ts';

export async function makeServiceBehind(api: Caller): Promise<void> {
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'lab' } });
  await api.expect(201, 'POST', '/api/v1/namespaces/lab/services', {
    metadata: { name: 'behind' },
    spec: { ports: [{ port: 443 }] },
  });
  await api.expect(201, 'POST', '/apis/discovery.k8s.io/v1/namespaces/lab/endpointslices', {
    metadata: { name: 'behind-1', labels: { 'kubernetes.io/service-name': 'behind' } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 443, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
  });
}

/** The APIService of that name with the service; `over`: other fields of its spec. */
export function apiServiceBehind(name: string, caBundle: string, over: object = {}): Json {
  const [version, ...group] = name.split('.');
  const service = { namespace: 'lab', name: 'behind' };
  const priorities = { groupPriorityMinimum: 100, versionPriority: 10 };
  return { metadata: { name }, spec: { group: group.join('.'), version, service, caBundle, ...priorities, ...over } };
}
