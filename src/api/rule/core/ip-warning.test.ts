import assert from 'node:assert/strict';
import { test } from 'node:test';
import { path } from '../../field-error.ts';
import type { KubeObject } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import { endpointSliceStrategy } from '../discovery/endpoint-slice.ts';
import { networkPolicyStrategy } from '../networking/network-policy.ts';
import { create, ruleContext, update } from '../testing.ts';
import { endpointsStrategy } from './endpoints.ts';
import { cidrWarnings, ipWarnings } from './ip-warning.ts';
import { serviceStrategy } from './service.ts';

const told = <T extends KubeObject>(strategy: Strategy<T>, object: object, subresource = '') =>
  strategy.warnings!(object as T, undefined, ruleContext(subresource));
const odd = (at: string, text: string, canonical: string, what = 'address') =>
  `${at}: IPv6 ${what} "${text}" should be in RFC 5952 canonical format ("${canonical}")`;

test('of addresses that are not written as everybody does', () => {
  const at = path('spec.x');
  // What apimachinery 0.36 says of each.
  for (const ip of ['1.2.3.4', '::1', '', 'bad', '2001:db8::1']) assert.deepEqual(ipWarnings(ip, at), [], ip);
  for (const ip of ['2001:DB8::1', '2001:0db8::1', '2001:db8:0:0::1'])
    assert.deepEqual(ipWarnings(ip, at), [odd('spec.x', ip, '2001:db8::1')]);
  for (const [ip, better] of [
    ['01.2.3.4', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
  ])
    assert.deepEqual(ipWarnings(ip, at), [`spec.x: non-standard IP address "${ip}" is invalid: use "${better}"`]);
  for (const cidr of ['01.2.3.0/24', '::ffff:1.2.3.0/120', '1.2.3.0/024'])
    assert.deepEqual(cidrWarnings(cidr, at), [
      `spec.x: non-standard CIDR value "${cidr}" is invalid: use "1.2.3.0/24"`,
    ]);
  for (const [cidr, network, single] of [
    ['1.2.3.4/24', '1.2.3.0/24', '1.2.3.4/32'],
    ['2001:db8::1/32', '2001:db8::/32', '2001:db8::1/128'],
  ])
    assert.deepEqual(cidrWarnings(cidr!, at), [
      `spec.x: CIDR value "${cidr}" is ambiguous in this context (should be "${network}" or "${single}"?)`,
    ]);
  for (const cidr of ['1.2.3.0/24', '2001:db8::/32', 'bad', '']) assert.deepEqual(cidrWarnings(cidr, at), [], cidr);
  for (const cidr of ['2001:DB8::/32', '2001:0db8::/32'])
    assert.deepEqual(cidrWarnings(cidr, at), [odd('spec.x', cidr, '2001:db8::/32', 'CIDR value')]);
});

test('services: addresses, and fields that are deprecated or do nothing', () => {
  const spec = {
    clusterIPs: ['FD00::1'],
    externalIPs: ['FD00::2', '1.2.3.4'],
    loadBalancerIP: 'FD00::3',
    loadBalancerSourceRanges: ['FD00::/64'],
  };
  assert.deepEqual(told(serviceStrategy, { spec }), [
    'spec.externalIPs is deprecated',
    odd('spec.clusterIPs[0]', 'FD00::1', 'fd00::1'),
    odd('spec.externalIPs[0]', 'FD00::2', 'fd00::2'),
    odd('spec.loadBalancerIP', 'FD00::3', 'fd00::3'),
    odd('spec.loadBalancerSourceRanges[0]', 'FD00::/64', 'fd00::/64', 'CIDR value'),
  ]);
  assert.deepEqual(told(serviceStrategy, { spec: { type: 'ExternalName', externalIPs: ['1.2.3.4'] } }), [
    'spec.externalIPs is deprecated',
    'spec.externalIPs is ignored when spec.type is "ExternalName"',
  ]);
  const headless = { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], sessionAffinity: 'None' };
  assert.deepEqual(told(serviceStrategy, { spec: headless }), []);
  const status = { loadBalancer: { ingress: [{ hostname: 'a' }, { ip: 'FD00::4' }] } };
  assert.deepEqual(told(serviceStrategy, { spec, status }, 'status'), [
    odd('status.loadBalancer.ingress[1]', 'FD00::4', 'fd00::4'),
  ]);
});

test('endpoints and slices', () => {
  const subsets = [{ addresses: [{ ip: '1.2.3.4' }, { ip: 'FD00::1' }], notReadyAddresses: [{ ip: 'FD00::2' }] }];
  assert.deepEqual(told(endpointsStrategy, { subsets }), [
    odd('subsets[0].addresses[1].ip', 'FD00::1', 'fd00::1'),
    odd('subsets[0].notReadyAddresses[0].ip', 'FD00::2', 'fd00::2'),
  ]);
  const endpoints = [{ addresses: ['FD00::1', 'fd00::2'] }];
  assert.deepEqual(told(endpointSliceStrategy, { addressType: 'IPv6', endpoints }), [
    odd('endpoints[0].addresses[0]', 'FD00::1', 'fd00::1'),
  ]);
  assert.deepEqual(told(endpointSliceStrategy, { addressType: 'FQDN', endpoints: null }), []);
});

test('what was stored before it was refused may stay, and is warned of', () => {
  const held = <T extends KubeObject>(strategy: Strategy<T>, now: object, old: object, subresource = '') => {
    const before = old as T;
    return update(strategy, now, before, { ...ruleContext(subresource), old: before }).errors;
  };
  const service = (externalIP: string, range: string) => {
    const ports = [{ name: '', port: 80, protocol: 'TCP', targetPort: 80 }];
    const addresses = { externalIPs: [externalIP], loadBalancerSourceRanges: [range] };
    const status = { loadBalancer: { ingress: [{ ip: externalIP, ipMode: 'VIP' }] } };
    return {
      metadata: { name: 's', resourceVersion: '1' },
      spec: { ports, type: 'LoadBalancer', ...addresses },
      status,
    };
  };
  const old = create(serviceStrategy, service('010.0.0.1', '10.0.0.1/8')).object;
  const { spec, status, metadata } = { ...service('010.0.0.1', '10.0.0.1/8'), spec: old.spec };
  const stored = { metadata, spec, status };
  assert.deepEqual(held(serviceStrategy, stored, stored), []);
  assert.deepEqual(held(serviceStrategy, stored, stored, 'status'), []);
  const moved = { ...stored, spec: { ...spec, externalIPs: ['010.0.0.2'], loadBalancerSourceRanges: ['10.0.0.2/8'] } };
  assert.deepEqual(held(serviceStrategy, moved, stored), [
    'spec.externalIPs[0]: Invalid value: "010.0.0.2": must not have leading 0s',
    'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.2/8": must not have bits set beyond the prefix length',
  ]);
  const policy = (cidr: string, except: string) => ({
    metadata: { name: 'p', resourceVersion: '1' },
    spec: { podSelector: {}, policyTypes: ['Egress'], egress: [{ to: [{ ipBlock: { cidr, except: [except] } }] }] },
  });
  const before = policy('10.0.0.1/8', '10.1.0.1/16');
  assert.deepEqual(held(networkPolicyStrategy, before, before), []);
  assert.deepEqual(held(networkPolicyStrategy, policy('10.0.0.1/8', '10.1.0.2/16'), before), [
    'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "10.1.0.2/16": must not have bits set beyond the prefix length',
  ]);
});

test('ranges that are wrong in two ways, as recorded of apimachinery', () => {
  const said = (text: string) => cidrWarnings(text, path('p'));
  const ambiguous = (text: string, network: string, single: string) =>
    `p: CIDR value "${text}" is ambiguous in this context (should be "${network}" or "${single}"?)`;
  const invalid = (text: string, network: string) =>
    `p: non-standard CIDR value "${text}" is invalid: use "${network}"`;
  const cases: [string, string, string][] = [
    ['0.255.10.128/024', '0.255.10.0/24', '0.255.10.128/32'],
    ['1:2:3:4:5:6:7:8/024', '1::/24', '1:2:3:4:5:6:7:8/128'],
    ['::ffff:1.2.3.4/96', '0.0.0.0/0', '1.2.3.4/128'],
    ['::ffff:1.2.3.4/24', '::/24', '1.2.3.4/128'],
  ];
  for (const [text, network, single] of cases)
    assert.deepEqual(said(text), [ambiguous(text, network, single), invalid(text, network)]);
  for (const text of ['0.1.01.0/128', '001.1.1.1/+8', '2001:DB8::1/-1', '1::/129']) assert.deepEqual(said(text), []);
});
