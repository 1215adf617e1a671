import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Strategy } from '../../strategy.ts';
import { create, ruleContext, update } from '../testing.ts';
import { ipAddressStrategy, serviceCidrStrategy } from './address.ts';
import { ingressStrategy } from './ingress.ts';
import { ingressClassStrategy } from './ingress-class.ts';
import { networkPolicyStrategy } from './network-policy.ts';

const metadata = { name: 'x', namespace: 'a' };
const wrong = (s: Strategy<any>, body: object, meta: object = metadata) =>
  create(s, { metadata: meta, ...body }).errors;

test('an ingress names services that may begin with a digit', () => {
  const backend = (name: string) => ({ spec: { defaultBackend: { service: { name, port: { number: 80 } } } } });
  assert.deepEqual(wrong(ingressStrategy, backend('1a')), []);
  assert.match(
    wrong(ingressStrategy, backend('a.b'))[0]!,
    /service\.name: Invalid value: "a\.b": must not contain dots/,
  );
});

test('where an ingress can be reached', () => {
  const old = { metadata: { ...metadata, resourceVersion: '1' }, spec: {}, status: {} };
  const ingress = [{ ip: '10.0.0.01' }, { hostname: '10.0.0.1' }, { ip: '2001:DB8::1', hostname: 'a.b' }];
  const now = { ...old, status: { loadBalancer: { ingress } } };
  const at = 'status.loadBalancer.ingress';
  assert.deepEqual(update(ingressStrategy, now, old as never, ruleContext('status')).errors, [
    `${at}[0].ip: Invalid value: "10.0.0.01": must not have leading 0s`,
    `${at}[1].hostname: Invalid value: "10.0.0.1": must be a DNS name, not an IP address`,
  ]);
  // What was written before that was refused may stay.
  assert.equal(update(ingressStrategy, now, now as never, ruleContext('status')).errors.length, 1);
  assert.deepEqual(ingressStrategy.warnings!(now as never, old as never, ruleContext('status')).slice(1), [
    `${at}[2].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")`,
  ]);
});

test('parameters in a namespace of that name', () => {
  const parameters = { kind: 'K', name: 'n', scope: 'Namespace', namespace: 'A' };
  assert.match(
    wrong(ingressClassStrategy, { spec: { controller: 'x.io/c', parameters } })[0]!,
    /^spec\.parameters\.namespace: Invalid value: "A": a lowercase RFC 1123 label/,
  );
});

test('ranges that are not written as everybody writes them', () => {
  const spec = {
    ingress: [{ from: [{ podSelector: {} }, { ipBlock: { cidr: '2001:DB8::/32', except: ['2001:DB8:1::/48'] } }] }],
    egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8' } }] }],
  };
  const at = 'spec.ingress[0].from[1].ipBlock';
  assert.deepEqual(networkPolicyStrategy.warnings!({ metadata, spec } as never, undefined, ruleContext()), [
    `${at}.cidr: IPv6 CIDR value "2001:DB8::/32" should be in RFC 5952 canonical format ("2001:db8::/32")`,
    `${at}.except[0]: IPv6 CIDR value "2001:DB8:1::/48" should be in RFC 5952 canonical format ("2001:db8:1::/48")`,
  ]);
});

test('a range of services has one form', () => {
  const of = (...cidrs: string[]) => wrong(serviceCidrStrategy, { spec: { cidrs } });
  assert.deepEqual(of('10.0.0.0/16', '2001:db8::/64'), []);
  assert.deepEqual(of('10.0.0.1/16', '2001:DB8:0::/64'), [
    'spec.cidrs[0]: Invalid value: "10.0.0.1/16": must not have bits set beyond the prefix length',
    'spec.cidrs[1]: Invalid value: "2001:DB8:0::/64": must be in canonical form ("2001:db8::/64")',
  ]);
});

test('an address has one name', () => {
  const spec = { parentRef: { resource: 'services', name: 's' } };
  assert.deepEqual(wrong(ipAddressStrategy, { spec }, { name: '2001:db8::1' }), []);
  assert.deepEqual(wrong(ipAddressStrategy, { spec }, { name: '2001:DB8::1' }), [
    'metadata.name: Invalid value: "2001:DB8::1": must be a canonical format IP address',
  ]);
});

test('the group of who has an address', () => {
  const parentRef = { group: 'A', resource: 'services', name: 's' };
  assert.match(
    wrong(ipAddressStrategy, { spec: { parentRef } }, { name: '10.0.0.1' })[0]!,
    /^spec\.parentRef\.group: Invalid value: "A": a lowercase RFC 1123 subdomain/,
  );
});
