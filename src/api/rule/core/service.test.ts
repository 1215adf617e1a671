import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../type/core-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { serviceStrategy } from './service.ts';

const raw = (spec: object, metadata: object = {}) => ({
  metadata: { name: 'a', ...metadata },
  spec: { ports: [{ port: 80 }], ...spec },
  status: { loadBalancer: {} },
});
const make = (spec: object): Service => create(serviceStrategy, raw(spec)).object;
const errorsOf = (spec: object, metadata?: object) => create(serviceStrategy, raw(spec, metadata)).errors;

test('defaults', () => {
  assert.deepEqual(make({}).spec, {
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
    sessionAffinity: 'None',
    type: 'ClusterIP',
    internalTrafficPolicy: 'Cluster',
  });
  const balanced = make({ type: 'LoadBalancer', sessionAffinity: 'ClientIP' }).spec;
  assert.equal(balanced.externalTrafficPolicy, 'Cluster');
  assert.equal(balanced.allocateLoadBalancerNodePorts, true);
  assert.deepEqual(balanced.sessionAffinityConfig, { clientIP: { timeoutSeconds: 10800 } });
  assert.equal(make({ type: 'ExternalName', externalName: 'a.b' }).spec.internalTrafficPolicy, undefined);
  assert.deepEqual(make({ clusterIP: 'None' }).spec.clusterIPs, ['None']);
});

const invalid: [string, object, string[]][] = [
  ['no ports', { ports: [] }, ['spec.ports: Required value']],
  [
    'names of several ports',
    { ports: [{ port: 1 }, { port: 2, name: 'x' }, { port: 3, name: 'x' }] },
    ['spec.ports[0].name: Required value', 'spec.ports[2].name: Duplicate value: "x"'],
  ],
  [
    'port out of range',
    { ports: [{ port: 70000, targetPort: 1 }] },
    ['spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'duplicate port',
    {
      ports: [
        { port: 1, name: 'a' },
        { port: 1, name: 'b' },
      ],
    },
    [
      'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":1,"TargetPort":0,"NodePort":0}',
    ],
  ],
  [
    'node port of a ClusterIP',
    { ports: [{ port: 1, nodePort: 30000 }] },
    ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
  ],
  [
    'type',
    { type: 'Other' },
    [
      'spec.type: Unsupported value: "Other": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
    ],
  ],
  [
    'affinity',
    { sessionAffinity: 'Some' },
    ['spec.sessionAffinity: Unsupported value: "Some": supported values: "ClientIP", "None"'],
  ],
  [
    'affinity timeout',
    { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 90000 } } },
    [
      'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400',
    ],
  ],
  [
    'clusterIPs without clusterIP',
    { clusterIPs: ['10.0.0.1'] },
    ['spec.clusterIPs: Invalid value: ["10.0.0.1"]: must be empty when `clusterIP` is not specified'],
  ],
  [
    'clusterIPs beginning with another',
    { clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.1'] },
    ['spec.clusterIPs: Invalid value: ["10.0.0.1"]: first value must match `clusterIP`'],
  ],
  [
    'no address',
    { clusterIP: 'x' },
    ['spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'headless node port',
    { type: 'NodePort', clusterIP: 'None' },
    ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services'],
  ],
  ['external name', { type: 'ExternalName' }, ['spec.externalName: Required value']],
  [
    'family and address',
    { clusterIP: '10.0.0.1', ipFamilies: ['IPv6'] },
    ['spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'],
  ],
  [
    'traffic policy nobody heeds',
    { externalTrafficPolicy: 'Local' },
    ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
  ],
  [
    'health check port',
    { type: 'NodePort', healthCheckNodePort: 3 },
    [
      "spec.healthCheckNodePort: Invalid value: 3: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    ],
  ],
  [
    'for load balancers only',
    { loadBalancerClass: 'a/b', allocateLoadBalancerNodePorts: true, loadBalancerSourceRanges: ['10.0.0.0/8'] },
    [
      "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
      "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'",
    ],
  ],
  [
    'distribution',
    { trafficDistribution: 'Near' },
    [
      'spec.trafficDistribution: Unsupported value: "Near": supported values: "PreferClose", "PreferSameNode", "PreferSameZone"',
    ],
  ],
  [
    'external address',
    { externalIPs: ['127.0.0.1'] },
    ['spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'],
  ],
];
for (const [name, spec, causes] of invalid) {
  test(`refuses: ${name}`, () => {
    // An externally accessible service gets its policy by default.
    assert.deepEqual(
      errorsOf(spec).filter(e => name !== 'external address' || e.includes('externalIPs')),
      causes,
    );
  });
}

const stored = (over: object = {}): Service => ({
  ...make({ clusterIP: '10.0.0.1', ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack', ...over }),
});

test('the cluster IP is there to stay', () => {
  const old = stored();
  assert.deepEqual(update(serviceStrategy, raw({ clusterIP: '10.0.0.2' }), old).errors, [
    'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set',
  ]);
  const kept = update(serviceStrategy, raw({}), old);
  assert.deepEqual(kept.errors, []);
  assert.equal(kept.object.spec.clusterIP, '10.0.0.1');
  assert.deepEqual(kept.object.spec.ipFamilies, ['IPv4']);
});

test('the second family is released by the policy only', () => {
  const families = ['IPv4', 'IPv6'];
  const clusterIPs = ['10.0.0.1', 'fd00::1'];
  const old = stored({ clusterIPs, ipFamilies: families, ipFamilyPolicy: 'RequireDualStack' });
  const change = (over: object) => update(serviceStrategy, { ...old, spec: { ...old.spec, ...over } }, old);
  const one = { clusterIPs: ['10.0.0.1'] };
  assert.deepEqual(change({ ...one, ipFamilies: ['IPv4'] }).errors, [
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be \'SingleStack\' to release the secondary cluster IP',
    'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": must be \'SingleStack\' to release the secondary IP family',
  ]);
  for (const over of [{}, one, { ipFamilies: ['IPv4'] }, { ipFamilies: undefined }]) {
    const { object, errors } = change({ ipFamilyPolicy: 'SingleStack', ...over });
    assert.deepEqual(errors, []);
    assert.deepEqual([object.spec.clusterIPs, object.spec.ipFamilies], [['10.0.0.1'], ['IPv4']]);
  }
  const turned = change({ ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv6'] });
  assert.deepEqual(turned.errors[1], 'spec.ipFamilies[0]: Invalid value: ["IPv6"]: may not change once set');
});

test('families of a headless service stay when nobody names them', () => {
  const headless = { clusterIP: 'None', clusterIPs: ['None'] };
  const old = stored({ ...headless, ipFamilies: ['IPv6', 'IPv4'], ipFamilyPolicy: 'RequireDualStack' });
  const now = (over: object) => update(serviceStrategy, raw({ ...headless, ...over }), old).object.spec.ipFamilies;
  assert.deepEqual(now({ ipFamilyPolicy: 'PreferDualStack' }), ['IPv6', 'IPv4']);
  assert.deepEqual(now({}), ['IPv6']);
});

test('becoming an ExternalName clears what was allocated', () => {
  const old = stored({ type: 'NodePort', ports: [{ port: 80, nodePort: 30001 }] });
  const now = update(
    serviceStrategy,
    { ...old, spec: { ...old.spec, type: 'ExternalName', externalName: 'a.b' } },
    old,
  );
  assert.deepEqual(now.errors, []);
  const { clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy, externalTrafficPolicy, ports } = now.object.spec;
  assert.deepEqual(
    [clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy, externalTrafficPolicy],
    Array(5).fill(undefined),
  );
  assert.equal(ports![0]!.nodePort, undefined);
});

test('node ports stay with their names', () => {
  const old = stored({
    type: 'NodePort',
    ports: [
      { name: 'a', port: 1, nodePort: 30001 },
      { name: 'b', port: 2, nodePort: 30002 },
    ],
  });
  const now = update(
    serviceStrategy,
    raw({
      type: 'NodePort',
      ports: [
        { name: 'b', port: 3 },
        { name: 'c', port: 4 },
      ],
    }),
    old,
  );
  assert.deepEqual(
    now.object.spec.ports!.map(p => p.nodePort),
    [30002, undefined],
  );
});

test('load balancer fields', () => {
  const old = stored({
    type: 'LoadBalancer',
    loadBalancerClass: 'a/b',
    externalTrafficPolicy: 'Local',
    healthCheckNodePort: 30005,
  });
  const changed = { ...old.spec, loadBalancerClass: 'a/c', healthCheckNodePort: 30006 };
  assert.deepEqual(update(serviceStrategy, { ...old, spec: changed }, old).errors, [
    'spec.loadBalancerClass: Invalid value: "a/c": may not change once set',
    'spec.healthCheckNodePort: Forbidden: field is immutable',
  ]);
  const status = (loadBalancer: object) =>
    update(serviceStrategy, { ...old, status: { loadBalancer } }, old, ruleContext('status'));
  assert.equal(status({ ingress: [{ ip: '1.2.3.4' }] }).object.status.loadBalancer!.ingress![0]!.ipMode, 'VIP');
  assert.deepEqual(status({ ingress: [{ hostname: '1.2.3.4' }] }).errors, [
    'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
  ]);
});
