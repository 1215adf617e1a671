// One fault each, and all that a client is told of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors } from '../../field-error.ts';
import type { Strategy } from '../../strategy.ts';
import { create, ruleContext, update } from '../testing.ts';
import { ipAddressStrategy, serviceCidrStrategy } from './address.ts';
import { ingressStrategy } from './ingress.ts';
import { ingressClassStrategy } from './ingress-class.ts';
import { networkPolicyStrategy } from './network-policy.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const PORT_LETTER = 'must contain at least one letter (a-z)';
const PORT_RANGE = 'must be between 1 and 65535, inclusive';
const IMMUTABLE = 'field is immutable';
const metadata = { name: 'x', namespace: 'a' };
const told = (strategy: Strategy<any>, spec: object, meta: object = metadata) =>
  create(strategy, { metadata: meta, spec }).errors;
const changed = (strategy: Strategy<any>, now: object, was: object, meta: object = metadata) =>
  update(strategy, { metadata: meta, spec: now }, { metadata: { ...meta, resourceVersion: '1' }, spec: was }).errors;
type Table = [spec: object, told: string[]][];
const check = (strategy: Strategy<any>, table: Table) => {
  for (const [spec, expected] of table) assert.deepEqual(told(strategy, spec), expected);
};

const service = { name: 's', port: { number: 80 } };
const resource = { apiGroup: 'g.io', kind: 'K', name: 'n' };
const ofBackend = (defaultBackend: object) => ({ defaultBackend });
const ofPath = (entry: object) => ({
  rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service }, ...entry }] } }],
});
const B = 'spec.defaultBackend';
const P = 'spec.rules[0].http.paths[0]';
test('of an ingress', () => {
  check(ingressStrategy, [
    [{ rules: [{ host: 'A.b' }] }, [`spec.rules[0].host: Invalid value: "A.b": ${SUBDOMAIN}`]],
    [
      { rules: [{ host: '10.0.0.1' }] },
      ['spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address'],
    ],
    [{ rules: [{ http: { paths: [] } }] }, ['spec.rules[0].http.paths: Required value']],
    [ofBackend({ service, resource }), [`${B}: Invalid value: "": cannot set both resource and service backends`]],
    [ofBackend({}), [`${B}: Invalid value: "": resource or service backend is required`]],
    [ofBackend({ service: { ...service, name: '' } }), [`${B}.service.name: Required value`]],
    [
      ofBackend({ service: { name: 's', port: { name: 'p', number: 1 } } }),
      [`${B}: Invalid value: "": cannot set both port name & port number`],
    ],
    [
      ofBackend({ service: { name: 's', port: { name: '8' } } }),
      [`${B}.service.port.name: Invalid value: "8": ${PORT_LETTER}`],
    ],
    [
      ofBackend({ service: { name: 's', port: { number: 65_536 } } }),
      [`${B}.service.port.number: Invalid value: 65536: ${PORT_RANGE}`],
    ],
    [ofBackend({ service: { name: 's' } }), [`${B}: Required value: port name or number is required`]],
    // Without a group the kind is of the core.
    [ofBackend({ resource: { kind: 'K', name: 'n' } }), []],
    [ofBackend({ resource: { apiGroup: null, kind: 'K', name: 'n' } }), []],
    [
      ofBackend({ resource: { ...resource, apiGroup: 'G' } }),
      [`${B}.resource.apiGroup: Invalid value: "G": ${SUBDOMAIN}`],
    ],
    [ofBackend({ resource: { ...resource, kind: '' } }), [`${B}.resource.kind: Required value: kind is required`]],
    [ofBackend({ resource: { ...resource, name: '' } }), [`${B}.resource.name: Required value: name is required`]],
    [
      ofBackend({ resource: { ...resource, name: 'a/b' } }),
      [`${B}.resource.name: Invalid value: "a/b": may not contain '/'`],
    ],
    [ofPath({ pathType: undefined }), [`${P}.pathType: Required value: pathType must be specified`]],
    [
      ofPath({ pathType: 'Some' }),
      [`${P}.pathType: Unsupported value: "Some": supported values: "Exact", "ImplementationSpecific", "Prefix"`],
    ],
    [ofPath({ path: 'a' }), [`${P}.path: Invalid value: "a": must be an absolute path`]],
    [
      ofPath({ path: 'a', pathType: 'ImplementationSpecific' }),
      [`${P}.path: Invalid value: "a": must be an absolute path`],
    ],
    [ofPath({ path: '/a/..' }), [`${P}.path: Invalid value: "/a/..": cannot end with '/..'`]],
    [ofPath({ path: '/a/.' }), [`${P}.path: Invalid value: "/a/.": cannot end with '/.'`]],
    [ofPath({ path: '/a//b' }), [`${P}.path: Invalid value: "/a//b": must not contain '//'`]],
    [
      { ...ofBackend({ service }), tls: [{ hosts: ['A'] }] },
      [`spec.tls[0].hosts[0]: Invalid value: "A": ${SUBDOMAIN}`],
    ],
    [
      { ...ofBackend({ service }), tls: [{ secretName: 'A' }] },
      [`spec.tls[0].secretName: Invalid value: "A": ${SUBDOMAIN}`],
    ],
    [{ ...ofBackend({ service }), ingressClassName: 'A' }, [`spec.ingressClassName: Invalid value: "A": ${SUBDOMAIN}`]],
    [{}, ['spec: Invalid value: null: either `defaultBackend` or `rules` must be specified']],
    [{ rules: [] }, ['spec: Invalid value: []: either `defaultBackend` or `rules` must be specified']],
  ]);
  const old = { metadata: { ...metadata, resourceVersion: '1' }, spec: {}, status: {} };
  const now = { ...old, status: { loadBalancer: { ingress: [{ hostname: 'A' }] } } };
  assert.deepEqual(update(ingressStrategy, now, old as never, ruleContext('status')).errors, [
    `status.loadBalancer.ingress[0].hostname: Invalid value: "A": ${SUBDOMAIN}`,
  ]);
});

test('of the class of an ingress, said twice', () => {
  const key = 'kubernetes.io/ingress.class';
  const annotated = { ...metadata, annotations: { [key]: 'c' } };
  assert.deepEqual(told(ingressStrategy, { ...ofBackend({ service }), ingressClassName: 'c' }, annotated), [
    `metadata.annotations.${key}: Invalid value: "c": can not be set when the class field is also set`,
  ]);
  const ingress = { metadata: annotated, spec: ofBackend({ service }) };
  assert.deepEqual(ingressStrategy.warnings!(ingress as never, undefined, ruleContext()), [
    `annotation "${key}" is deprecated, please use 'spec.ingressClassName' instead`,
  ]);
});

const ofParameters = (parameters: object) => ({
  controller: 'a.io/b',
  parameters: { kind: 'K', name: 'n', scope: 'Cluster', ...parameters },
});
test('of a class of ingresses', () => {
  check(ingressClassStrategy, [
    [{}, ['spec.controller: Required value']],
    [
      { controller: 'b' },
      ['spec.controller: Invalid value: "b": must be a domain-prefixed path (such as "acme.io/foo")'],
    ],
    [{ controller: `a.io/${'b'.repeat(246)}` }, ['spec.controller: Too long: may not be more than 250 bytes']],
    [ofParameters({ apiGroup: 'G' }), [`spec.parameters.apiGroup: Invalid value: "G": ${SUBDOMAIN}`]],
    [ofParameters({ kind: '' }), ['spec.parameters.kind: Required value: kind is required']],
    [ofParameters({ name: '' }), ['spec.parameters.name: Required value: name is required']],
    [ofParameters({ name: '..' }), [`spec.parameters.name: Invalid value: "..": may not be '..'`]],
    [
      ofParameters({ scope: 'Namespace' }),
      ["spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'"],
    ],
    [
      ofParameters({ namespace: 'n' }),
      ["spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'"],
    ],
    [
      ofParameters({ scope: 'Some' }),
      ['spec.parameters.scope: Unsupported value: "Some": supported values: "Cluster", "Namespace"'],
    ],
  ]);
  assert.deepEqual(changed(ingressClassStrategy, { controller: 'a.io/c' }, { controller: 'a.io/b' }), [
    `spec.controller: Invalid value: "a.io/c": ${IMMUTABLE}`,
  ]);
  const errors = new FieldErrors();
  const spec = { controller: 'a.io/b', parameters: { kind: 'K', name: 'n' } };
  ingressClassStrategy.validate!({ metadata, spec } as never, errors, ruleContext());
  assert.deepEqual(errors.list, [
    { reason: 'FieldValueRequired', field: 'spec.parameters.scope', message: 'Required value' },
  ]);
});

const ofPort = (port: object) => ({ podSelector: {}, ingress: [{ ports: [port] }] });
const PORTS = 'spec.ingress[0].ports[0]';
test('of a network policy', () => {
  check(networkPolicyStrategy, [
    [ofPort({ port: 0 }), [`${PORTS}.port: Invalid value: 0: ${PORT_RANGE}`]],
    [ofPort({ port: '8' }), [`${PORTS}.port: Invalid value: "8": ${PORT_LETTER}`]],
    [
      ofPort({ port: 5, endPort: 4 }),
      [`${PORTS}.endPort: Invalid value: 4: must be greater than or equal to \`port\``],
    ],
    [ofPort({ port: 5, endPort: 65_536 }), [`${PORTS}.endPort: Invalid value: 65536: ${PORT_RANGE}`]],
    [
      ofPort({ port: 'a', endPort: 5 }),
      [`${PORTS}.endPort: Invalid value: 5: may not be specified when \`port\` is non-numeric`],
    ],
    [
      ofPort({ endPort: 5 }),
      [`${PORTS}.endPort: Invalid value: 5: may not be specified when \`port\` is not specified`],
    ],
    [
      ofPort({ port: 5, protocol: 'IP' }),
      [`${PORTS}.protocol: Unsupported value: "IP": supported values: "SCTP", "TCP", "UDP"`],
    ],
    [
      { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '' } }] }] },
      ['spec.ingress[0].from[0].ipBlock.cidr: Required value'],
    ],
    [{ podSelector: {}, ingress: [{ from: [{}] }] }, ['spec.ingress[0].from[0]: Required value: must specify a peer']],
    [
      { podSelector: {}, egress: [{ to: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] }] },
      ['spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer'],
    ],
    [
      { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.0/8'] } }] }] },
      ['spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "10.0.0.0/8": must be a strict subset of `cidr`'],
    ],
    [
      { podSelector: {}, policyTypes: ['Ingress', 'Egress', 'Ingress'] },
      ['spec.policyTypes: Invalid value: ["Ingress","Egress","Ingress"]: may not specify more than two policyTypes'],
    ],
    [
      { podSelector: {}, policyTypes: ['Both'] },
      ['spec.policyTypes[0]: Unsupported value: "Both": supported values: "Egress", "Ingress"'],
    ],
  ]);
});

const [A, B4, A6] = ['10.0.0.0/16', '10.1.0.0/16', 'fd00::/64'];
test('of a range of services', () => {
  const of = (...cidrs: string[]) =>
    told(serviceCidrStrategy, { cidrs }).map(e => e.replace(/Invalid value: \S+:/, 'Invalid value: …:'));
  assert.deepEqual(of(), ['spec.cidrs: Required value: at least one CIDR required']);
  assert.deepEqual(of(A, A6, B4), ['spec.cidrs: Invalid value: …: may only hold up to 2 values']);
  assert.deepEqual(of(A, B4), [
    'spec.cidrs: Invalid value: …: may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
  ]);
  const becomes = (was: string[], cidrs: string[]) => changed(serviceCidrStrategy, { cidrs }, { cidrs: was });
  for (const [was, now] of [
    [[A], [A, A6]],
    [[A, A6], [A]],
    [
      [A, A6],
      [A, A6],
    ],
  ] as const)
    assert.deepEqual(becomes([...was], [...now]), []);
  assert.deepEqual(becomes([A], [B4]), [`spec.cidrs[0]: Invalid value: "${B4}": ${IMMUTABLE}`]);
  assert.deepEqual(becomes([A], [B4, A6]), [`spec.cidrs[0]: Invalid value: "${B4}": ${IMMUTABLE}`]);
  assert.deepEqual(becomes([A, A6], [A, 'fd01::/64']), [`spec.cidrs[1]: Invalid value: "fd01::/64": ${IMMUTABLE}`]);
});

test('of an address', () => {
  const parentRef = { resource: 'services', name: 's', namespace: 'n' };
  const of = (ref: object) => told(ipAddressStrategy, { parentRef: { ...parentRef, ...ref } }, { name: '10.0.0.1' });
  const at = 'spec.parentRef';
  assert.deepEqual(of({}), []);
  assert.deepEqual(of({ group: 'G' }), [`${at}.group: Invalid value: "G": ${SUBDOMAIN}`]);
  assert.deepEqual(of({ resource: '' }), [`${at}.resource: Required value`]);
  assert.deepEqual(of({ resource: 'a/b' }), [`${at}.resource: Invalid value: "a/b": may not contain '/'`]);
  assert.deepEqual(of({ name: '' }), [`${at}.name: Required value`]);
  assert.deepEqual(of({ name: 'a%b' }), [`${at}.name: Invalid value: "a%b": may not contain '%'`]);
  assert.deepEqual(of({ namespace: 'a/b' }), [`${at}.namespace: Invalid value: "a/b": may not contain '/'`]);
  assert.deepEqual(told(ipAddressStrategy, {}, { name: '10.0.0.1' }), [`${at}: Required value`]);
  assert.deepEqual(told(ipAddressStrategy, { parentRef }, { name: 'fd00::0' }), [
    'metadata.name: Invalid value: "fd00::0": must be a canonical format IP address',
  ]);
  const [moved, ...others] = changed(
    ipAddressStrategy,
    { parentRef: { ...parentRef, name: 't' } },
    { parentRef },
    { name: '10.0.0.1' },
  );
  assert.match(moved!, /^spec\.parentRef: Invalid value: \{.*\}: field is immutable$/);
  assert.deepEqual(others, []);
});
