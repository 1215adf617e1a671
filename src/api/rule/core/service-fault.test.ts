import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../../field-error.ts';
import type { Service } from '../../type/core-v1.ts';
import { checkFaults, create, ruleContext, update, validated, wording } from '../testing.ts';
import { validateNonSpecialIp } from './ip-value.ts';
import { serviceStrategy } from './service.ts';
import { validateServiceUpdate } from './service-update.ts';

const raw = (spec: object) => ({ metadata: { name: 'a' }, spec: { ports: [{ port: 80 }], ...spec } });
const told = (spec: object) => create(serviceStrategy, raw(spec)).errors;
const port = (more: object) => ({ ports: [{ port: 80, ...more }] });
const named = (name: string, more: object) => ({ name, port: 80, ...more });

test('ports of services', () => {
  checkFaults(
    {
      'no label': [port({ name: 'A' }), `spec.ports[0].name: Invalid value: "A": ${wording.label}`],
      'protocol nobody speaks': [
        port({ protocol: 'ICMP' }),
        'spec.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ],
      'target out of range': [
        port({ targetPort: 65536 }),
        'spec.ports[0].targetPort: Invalid value: 65536: must be between 1 and 65535, inclusive',
      ],
      'target without a letter': [
        port({ targetPort: '80' }),
        'spec.ports[0].targetPort: Invalid value: "80": must contain at least one letter (a-z)',
      ],
      'application protocol': [
        port({ appProtocol: '-' }),
        `spec.ports[0].appProtocol: Invalid value: "-": ${wording.qualified}`,
      ],
      "the kubelet's port": [
        { type: 'LoadBalancer', ...port({ port: 10250 }) },
        'spec.ports[0]: Invalid value: 10250: may not expose port 10250 externally since it is used by kubelet',
      ],
      'one node port twice': [
        {
          type: 'NodePort',
          ports: [named('a', { nodePort: 30000 }), named('b', { port: 81, nodePort: 30000 })],
        },
        'spec.ports[1].nodePort: Duplicate value: 30000',
      ],
      'one node port for two protocols': [
        {
          type: 'NodePort',
          ports: [named('a', { nodePort: 30000 }), named('b', { protocol: 'UDP', nodePort: 30000 })],
        },
      ],
    },
    told,
  );
});

test('services of outside names have no addresses', () => {
  const external = { type: 'ExternalName', externalName: 'a.b' };
  checkFaults(
    {
      'cluster IPs': [
        { ...external, clusterIPs: ['10.0.0.1'] },
        'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
      ],
      families: [
        { ...external, ipFamilies: ['IPv4'] },
        'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
      ],
      'family policy': [
        { ...external, ipFamilyPolicy: 'SingleStack' },
        'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services',
      ],
      'no name of DNS': [
        { ...external, externalName: 'A_b.' },
        `spec.externalName: Invalid value: "A_b": ${wording.subdomain}`,
      ],
      'a final dot': [{ ...external, externalName: 'a.b.' }],
    },
    told,
  );
});

test('cluster IPs and their families', () => {
  const two = { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1', '10.0.0.2'] };
  const three = ['10.0.0.1', 'fd00::1', '10.0.0.2'];
  checkFaults(
    {
      family: [
        { ipFamilies: ['IPv5'] },
        'spec.ipFamilies[0]: Unsupported value: "IPv5": supported values: "IPv4", "IPv6"',
      ],
      'family twice': [{ ipFamilies: ['IPv4', 'IPv4'] }, 'spec.ipFamilies[1]: Duplicate value: "IPv4"'],
      'family policy': [
        { ipFamilyPolicy: 'Dual' },
        'spec.ipFamilyPolicy: Unsupported value: "Dual": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
      ],
      'None and another': [
        { clusterIP: 'None', clusterIPs: ['None', '10.0.0.1'] },
        'spec.clusterIPs: Invalid value: ["None","10.0.0.1"]: \'None\' must be the first and only value',
      ],
      'two of one family': [
        two,
        'spec.clusterIPs: Invalid value: ["10.0.0.1","10.0.0.2"]: may specify no more than one IP for each IP family',
      ],
      three: [
        { clusterIP: '10.0.0.1', clusterIPs: three },
        'spec.clusterIPs: Invalid value: ["10.0.0.1","fd00::1","10.0.0.2"]: may only hold up to 2 values',
        'spec.clusterIPs: Invalid value: ["10.0.0.1","fd00::1","10.0.0.2"]: may specify no more than one IP for each IP family',
      ],
    },
    told,
  );
});

test('how load is balanced', () => {
  const balanced = { type: 'LoadBalancer' };
  checkFaults(
    {
      'affinity nobody asked for': [
        { sessionAffinity: 'None', sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } } },
      ],
      'timeout of no second': [
        { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } },
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: must be greater than 0 and less than 86400',
      ],
      class: [
        { ...balanced, loadBalancerClass: '-' },
        `spec.loadBalancerClass: Invalid value: "-": ${wording.qualified}`,
      ],
      'source range': [
        { ...balanced, loadBalancerSourceRanges: ['10.0.0.0/33'] },
        'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.0/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
      ],
      'external policy': [
        { ...balanced, externalTrafficPolicy: 'Near' },
        'spec.externalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
      ],
      'internal policy': [
        { internalTrafficPolicy: 'Near' },
        'spec.internalTrafficPolicy: Unsupported value: "Near": supported values: "Cluster", "Local"',
      ],
      'health check port': [
        { ...balanced, externalTrafficPolicy: 'Local', healthCheckNodePort: 70000 },
        'spec.healthCheckNodePort: Invalid value: 70000: must be between 1 and 65535, inclusive',
      ],
    },
    told,
  );
});

// What defaults fill in, should they ever not.
test('services that no default completed', () => {
  const whole = {
    type: 'LoadBalancer',
    ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
    sessionAffinity: 'None',
    allocateLoadBalancerNodePorts: true,
    externalTrafficPolicy: 'Cluster',
    internalTrafficPolicy: 'Cluster',
  };
  const client = { ...whole, sessionAffinity: 'ClientIP' };
  const needed = 'when session affinity type is ClientIP';
  const at = 'spec.sessionAffinityConfig';
  checkFaults(
    {
      whole: [whole],
      type: [
        {
          ...whole,
          ...{ type: undefined, allocateLoadBalancerNodePorts: undefined, externalTrafficPolicy: undefined },
        },
        'spec.type: Required value',
      ],
      protocol: [{ ...whole, ports: [{ port: 80, targetPort: 80 }] }, 'spec.ports[0].protocol: Required value'],
      affinity: [{ ...whole, sessionAffinity: '' }, 'spec.sessionAffinity: Required value'],
      'affinity of none': [
        { ...whole, sessionAffinityConfig: {} },
        `${at}: Forbidden: must not be set when session affinity is None`,
      ],
      'affinity of clients': [client, `${at}: Required value: ${needed}`],
      'by address': [{ ...client, sessionAffinityConfig: {} }, `${at}.clientIP: Required value: ${needed}`],
      'for a time': [
        { ...client, sessionAffinityConfig: { clientIP: {} } },
        `${at}.clientIP.timeoutSeconds: Required value: ${needed}`,
      ],
      'cluster IPs': [{ ...whole, clusterIP: '10.0.0.1' }, 'spec.clusterIPs: Required value'],
      'node ports': [
        { ...whole, allocateLoadBalancerNodePorts: undefined },
        'spec.allocateLoadBalancerNodePorts: Required value',
      ],
      'external policy': [{ ...whole, externalTrafficPolicy: '' }, 'spec.externalTrafficPolicy: Required value'],
      'internal policy': [{ ...whole, internalTrafficPolicy: undefined }, 'spec.internalTrafficPolicy: Required value'],
    },
    spec => validated(serviceStrategy, raw(spec)),
  );
});

test('where a load balancer is reached', () => {
  const service = create(serviceStrategy, raw({ type: 'LoadBalancer' })).object;
  const inner = create(serviceStrategy, raw({})).object;
  const status = (ingress: object, of: Service = service) => {
    const now = { ...of, status: { loadBalancer: { ingress: [ingress] } } };
    return update(serviceStrategy, now, of, ruleContext('status')).errors;
  };
  const at = 'status.loadBalancer.ingress';
  assert.deepEqual(status({ ip: '1.2.3.4' }, inner), [
    `${at}: Forbidden: may only be used when \`spec.type\` is "LoadBalancer"`,
  ]);
  checkFaults(
    {
      address: [
        { ip: '1.2.3' },
        `${at}[0].ip: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`,
      ],
      'mode without address': [
        { ipMode: 'VIP', hostname: 'a' },
        `${at}[0].ipMode: Forbidden: may not be specified when \`ip\` is not set`,
      ],
      mode: [
        { ip: '1.2.3.4', ipMode: 'Odd' },
        `${at}[0].ipMode: Unsupported value: "Odd": supported values: "Proxy", "VIP"`,
      ],
      hostname: [{ hostname: 'A' }, `${at}[0].hostname: Invalid value: "A": ${wording.subdomain}`],
    },
    status,
  );
  const bare = { ...service, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } };
  assert.deepEqual(validated(serviceStrategy, bare, ruleContext('status')), [
    `${at}[0].ipMode: Required value: must be specified when \`ip\` is set`,
  ]);
});

test('the primary address and family are not given up', () => {
  const of = (more: object) => raw({ type: 'ClusterIP', ...more }) as unknown as Service;
  const old = { clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'], ipFamilies: ['IPv4'] };
  const errors = new FieldErrors();
  validateServiceUpdate(of({}), of(old), errors);
  assert.deepEqual(
    errors.list.map(e => `${e.field}: ${e.message}`),
    [
      'spec.clusterIPs[0]: Invalid value: null: primary clusterIP can not be unset',
      'spec.ipFamilies[0]: Invalid value: null: primary ipFamily can not be unset',
    ],
  );
});

test('one of the two cluster IP fields changed takes the other along', () => {
  const old = create(serviceStrategy, raw({ clusterIP: '10.0.0.1' })).object;
  const change = (spec: object) => update(serviceStrategy, { ...old, spec: { ...old.spec, ...spec } }, old);
  for (const spec of [{ clusterIP: '10.0.0.2' }, { clusterIP: '10.0.0.2', clusterIPs: undefined }])
    assert.deepEqual(change(spec).errors, ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']);
});

test('addresses that mean something else on every machine', () => {
  const cases: [string, string?][] = [
    ['10.0.0.1'],
    ['fd00::1'],
    ['words', 'must be a valid IP address'],
    ['0.0.0.0', 'may not be unspecified (0.0.0.0)'],
    ['::', 'may not be unspecified (::)'],
    ['127.1.2.3', 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ['::1', 'may not be in the loopback range (127.0.0.0/8, ::1/128)'],
    ['169.254.1.2', 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
    ['fe80::1', 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
    ['febf::1', 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'],
    ['224.0.0.1', 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
    ['224.0.1.1'],
    ['ff02::1', 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'],
  ];
  for (const [ip, why] of cases) {
    const errors = new FieldErrors();
    validateNonSpecialIp(ip, path('ip'), errors);
    assert.deepEqual(
      errors.list.map(e => [e.reason, e.field, e.message]),
      why ? [['FieldValueInvalid', 'ip', `Invalid value: "${ip}": ${why}`]] : [],
      ip,
    );
  }
});
