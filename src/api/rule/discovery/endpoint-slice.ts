// The rules of EndpointSlices.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import {
  IMMUTABLE,
  isDns1123Label,
  isDns1123Subdomain,
  isFullyQualifiedDomainName,
  isLabelValue,
  isQualifiedName,
  isValidPortNumber,
} from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../type/discovery-v1.ts';
import { PROTOCOLS } from '../core/endpoints.ts';
import { familyOf, validateNonSpecialIp } from '../core/ip-value.ts';
import { ipWarnings } from '../core/ip-warning.ts';
import { validateLabels } from '../meta.ts';

const TYPES = ['FQDN', 'IPv4', 'IPv6'];
const TYPE = path('addressType');
const ENDPOINTS = path('endpoints');
const PORTS = path('ports');
const MAX_ENDPOINTS = 1000;
const MAX_ADDRESSES = 100;
const MAX_PORTS = 20_000;
const MAX_TOPOLOGY = 16;
const MAX_HINTS = 8;

function defaults(slice: Mutable<EndpointSlice>): void {
  for (const port of slice.ports ?? []) {
    port.name ??= '';
    port.protocol ??= 'TCP';
  }
}

function validateAddress(type: string, address: string, at: FieldPath, errors: FieldErrors): void {
  if (type === 'FQDN') {
    for (const { value, why } of isFullyQualifiedDomainName(address)) errors.invalid(at, value, why);
  } else if (type === 'IPv4' || type === 'IPv6') {
    if (familyOf(address) !== type) errors.invalid(at, address, `must be a valid ${type} address`);
    else validateNonSpecialIp(address, at, errors);
  }
}

function validateEndpoint(endpoint: Endpoint, type: string, at: FieldPath, errors: FieldErrors): void {
  const { addresses, hostname, nodeName, deprecatedTopology: topology } = endpoint;
  const count = addresses?.length ?? 0;
  const here = at.child('addresses');
  if (count === 0) errors.required(here, 'must contain at least 1 address');
  else if (count > MAX_ADDRESSES) errors.tooMany(here, count, MAX_ADDRESSES);
  for (const [i, address] of (addresses ?? []).entries()) validateAddress(type, address, here.index(i), errors);
  if (nodeName !== undefined)
    for (const m of isDns1123Subdomain(nodeName)) errors.invalid(at.child('nodeName'), nodeName, m);
  if (topology) {
    const size = Object.keys(topology).length;
    const topologyAt = at.child('deprecatedTopology');
    if (size > MAX_TOPOLOGY) errors.tooMany(topologyAt, size, MAX_TOPOLOGY);
    validateLabels(topology, topologyAt, errors);
    if (Object.hasOwn(topology, 'kubernetes.io/hostname'))
      errors.invalid(
        topologyAt.key('kubernetes.io/hostname'),
        topology['kubernetes.io/hostname'],
        'set nodeName instead',
      );
  }
  if (hostname !== undefined)
    for (const m of isDns1123Label(hostname)) errors.invalid(at.child('hostname'), hostname, m);
  validateHints(endpoint, at.child('hints'), errors);
}

function validateHints({ hints }: Endpoint, at: FieldPath, errors: FieldErrors): void {
  for (const field of ['forZones', 'forNodes'] as const) {
    const list = hints?.[field] ?? [];
    const here = at.child(field);
    if (list.length > MAX_HINTS) {
      errors.tooMany(here, list.length, MAX_HINTS);
      continue;
    }
    const seen = new Set<string>();
    for (const [i, { name }] of list.entries()) {
      const nameAt = here.index(i).child('name');
      if (seen.has(name)) errors.duplicate(nameAt, name);
      seen.add(name);
      for (const m of field === 'forZones' ? isLabelValue(name) : isDns1123Subdomain(name))
        errors.invalid(nameAt, name, m);
    }
  }
}

function validatePorts(ports: readonly EndpointPort[] | null | undefined, errors: FieldErrors): void {
  const list = ports ?? [];
  if (list.length > MAX_PORTS) {
    errors.tooMany(PORTS, list.length, MAX_PORTS);
    return;
  }
  const seen = new Set<string>();
  for (const [i, { name = '', protocol, port, appProtocol }] of list.entries()) {
    const at = PORTS.index(i);
    if (name) for (const m of isDns1123Label(name)) errors.invalid(at.child('name'), name, m);
    if (seen.has(name)) errors.duplicate(at.child('name'), name);
    seen.add(name);
    if (!protocol) errors.required(at.child('protocol'));
    else if (!PROTOCOLS.includes(protocol)) errors.notSupported(at.child('protocol'), protocol, PROTOCOLS);
    if (port !== undefined) for (const m of isValidPortNumber(port)) errors.invalid(at.child('port'), port, m);
    if (appProtocol !== undefined)
      for (const m of isQualifiedName(appProtocol)) errors.invalid(at.child('appProtocol'), appProtocol, m);
  }
}

export const endpointSliceStrategy: Strategy<EndpointSlice> = {
  nameRule: 'dnsSubdomain',
  hasGeneration: true,
  default: defaults,
  validate(slice, errors) {
    const { addressType: type, endpoints } = slice;
    if (!type) errors.required(TYPE);
    else if (!TYPES.includes(type)) errors.notSupported(TYPE, type, TYPES);
    const list = endpoints ?? [];
    if (list.length > MAX_ENDPOINTS) errors.tooMany(ENDPOINTS, list.length, MAX_ENDPOINTS);
    else for (const [i, endpoint] of list.entries()) validateEndpoint(endpoint, type, ENDPOINTS.index(i), errors);
    validatePorts(slice.ports, errors);
  },
  validateUpdate(now, old, errors) {
    if (now.addressType !== old.addressType) errors.invalid(TYPE, now.addressType, IMMUTABLE);
  },
  warnings: ({ addressType, endpoints }) =>
    addressType === 'IPv6'
      ? (endpoints ?? []).flatMap(({ addresses }, i) =>
          addresses.flatMap((ip, j) => ipWarnings(ip, ENDPOINTS.index(i).child('addresses').index(j))),
        )
      : [],
};
