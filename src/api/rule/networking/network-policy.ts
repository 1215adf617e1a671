// The rules of NetworkPolicies.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isPortName, isValidPortNumber, parseIp } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../type/networking-v1.ts';
import { PROTOCOLS } from '../core/endpoints.ts';
import { validateCidr } from '../core/ip-value.ts';
import { cidrWarnings } from '../core/ip-warning.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';

const SPEC = path('spec');
const TYPES = ['Egress', 'Ingress'];

function defaults({ spec }: Mutable<NetworkPolicy>): void {
  if (!spec) return;
  for (const rule of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
    for (const port of rule.ports ?? []) port.protocol ??= 'TCP';
  if (!spec.policyTypes?.length) spec.policyTypes = spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
}

function validatePort({ protocol, port, endPort }: NetworkPolicyPort, at: FieldPath, errors: FieldErrors): void {
  validateOneOf(protocol, PROTOCOLS, at.child('protocol'), errors);
  const end = at.child('endPort');
  if (typeof port === 'number') {
    for (const m of isValidPortNumber(port)) errors.invalid(at.child('port'), port, m);
    if (endPort === undefined) return;
    if (endPort < port) errors.invalid(end, endPort, 'must be greater than or equal to `port`');
    for (const m of isValidPortNumber(endPort)) errors.invalid(end, endPort, m);
  } else if (typeof port === 'string') {
    if (endPort !== undefined) errors.invalid(end, endPort, 'may not be specified when `port` is non-numeric');
    for (const m of isPortName(port)) errors.invalid(at.child('port'), port, m);
  } else if (endPort !== undefined) errors.invalid(end, endPort, 'may not be specified when `port` is not specified');
}

function validatePeer(peer: NetworkPolicyPeer, at: FieldPath, errors: FieldErrors, held: readonly string[]): void {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  validateLabelSelector(podSelector, at.child('podSelector'), errors);
  validateLabelSelector(namespaceSelector, at.child('namespaceSelector'), errors);
  if (ipBlock) validateBlock(ipBlock, at.child('ipBlock'), errors, held);
  if (ipBlock && (podSelector || namespaceSelector))
    errors.forbidden(at, 'may not specify both ipBlock and another peer');
  else if (!ipBlock && !podSelector && !namespaceSelector) errors.required(at, 'must specify a peer');
}

/** Every range of a policy. */
const rangesOf = ({ spec }: NetworkPolicy): string[] =>
  [...(spec?.ingress ?? []).flatMap(r => r.from ?? []), ...(spec?.egress ?? []).flatMap(r => r.to ?? [])].flatMap(
    ({ ipBlock }) => (ipBlock ? [ipBlock.cidr, ...(ipBlock.except ?? [])] : []),
  );

function validateBlock(
  { cidr, except = [] }: IPBlock,
  at: FieldPath,
  errors: FieldErrors,
  held: readonly string[],
): void {
  if (!cidr) {
    errors.required(at.child('cidr'));
    return;
  }
  if (!validateCidr(cidr, at.child('cidr'), errors, held)) return;
  for (const [i, inner] of except.entries()) {
    const here = at.child('except').index(i);
    if (validateCidr(inner, here, errors, held) && !isStrictlyWithin(inner, cidr))
      errors.invalid(here, inner, 'must be a strict subset of `cidr`');
  }
}

function isStrictlyWithin(inner: string, outer: string): boolean {
  const [a, aBits] = split(inner);
  const [b, bBits] = split(outer);
  if (!a || !b || a.length !== b.length || aBits <= bBits) return false;
  for (let bit = 0; bit < bBits; bit++) {
    const mask = 0x80 >> (bit & 7);
    if ((a[bit >> 3]! & mask) !== (b[bit >> 3]! & mask)) return false;
  }
  return true;
}

function split(cidr: string): [Uint8Array | undefined, number] {
  const [ip = '', bits] = cidr.split('/');
  return [parseIp(ip), Number(bits)];
}

function warnings({ spec }: NetworkPolicy): string[] {
  const ofPeers = (peers: readonly NetworkPolicyPeer[] | undefined, at: FieldPath) =>
    (peers ?? []).flatMap(({ ipBlock }, i) => {
      const here = at.index(i).child('ipBlock');
      const except = (ipBlock?.except ?? []).flatMap((c, j) => cidrWarnings(c, here.child('except').index(j)));
      return ipBlock ? [...cidrWarnings(ipBlock.cidr, here.child('cidr')), ...except] : [];
    });
  return [
    ...(spec?.ingress ?? []).flatMap(({ from }, i) => ofPeers(from, SPEC.child('ingress').index(i).child('from'))),
    ...(spec?.egress ?? []).flatMap(({ to }, i) => ofPeers(to, SPEC.child('egress').index(i).child('to'))),
  ];
}

export const networkPolicyStrategy: Strategy<NetworkPolicy> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  warnings,
  validate({ spec }, errors, { old }) {
    if (!spec) return;
    const held = old ? rangesOf(old as NetworkPolicy) : [];
    validateLabelSelector(spec.podSelector, SPEC.child('podSelector'), errors);
    const validateRule = (
      ports: readonly NetworkPolicyPort[] | undefined,
      peers: readonly NetworkPolicyPeer[] | undefined,
      at: FieldPath,
      peerField: string,
    ) => {
      for (const [i, port] of (ports ?? []).entries()) validatePort(port, at.child('ports').index(i), errors);
      for (const [i, peer] of (peers ?? []).entries()) validatePeer(peer, at.child(peerField).index(i), errors, held);
    };
    for (const [i, rule] of (spec.ingress ?? []).entries())
      validateRule(rule.ports, rule.from, SPEC.child('ingress').index(i), 'from');
    for (const [i, rule] of (spec.egress ?? []).entries())
      validateRule(rule.ports, rule.to, SPEC.child('egress').index(i), 'to');
    const types = spec.policyTypes ?? [];
    const at = SPEC.child('policyTypes');
    if (types.length > TYPES.length) errors.invalid(at, types, 'may not specify more than two policyTypes');
    else for (const [i, type] of types.entries()) validateOneOf(type, TYPES, at.index(i), errors);
  },
};
