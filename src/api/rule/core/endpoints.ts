// The rules of Endpoints.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain, isQualifiedName, isValidPortNumber } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { EndpointAddress, EndpointPort, Endpoints } from '../../type/core-v1.ts';
import { semanticEqual } from '../record.ts';
import { validateIp, validateNonSpecialIp } from './ip-value.ts';
import { ipWarnings } from './ip-warning.ts';

const SUBSETS = path('subsets');
export const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];

function validateSubsets({ subsets }: Endpoints, errors: FieldErrors): void {
  for (const [i, { addresses = [], notReadyAddresses = [], ports = [] }] of (subsets ?? []).entries()) {
    const at = SUBSETS.index(i);
    if (addresses.length + notReadyAddresses.length === 0)
      errors.required(at, 'must specify `addresses` or `notReadyAddresses`');
    for (const [j, address] of addresses.entries()) validateAddress(address, at.child('addresses').index(j), errors);
    for (const [j, address] of notReadyAddresses.entries())
      validateAddress(address, at.child('notReadyAddresses').index(j), errors);
    for (const [j, port] of ports.entries()) validatePort(port, ports.length > 1, at.child('ports').index(j), errors);
  }
}

function validateAddress({ ip, hostname, nodeName }: EndpointAddress, at: FieldPath, errors: FieldErrors): void {
  const valid = validateIp(ip, at.child('ip'), errors);
  if (hostname) for (const m of isDns1123Label(hostname)) errors.invalid(at.child('hostname'), hostname, m);
  if (nodeName !== undefined)
    for (const m of isDns1123Subdomain(nodeName)) errors.invalid(at.child('nodeName'), nodeName, m);
  if (valid) validateNonSpecialIp(ip, at.child('ip'), errors);
}

function validatePort(port: EndpointPort, needsName: boolean, at: FieldPath, errors: FieldErrors): void {
  const { name, protocol, appProtocol } = port;
  if (name) for (const m of isDns1123Label(name)) errors.invalid(at.child('name'), name, m);
  else if (needsName) errors.required(at.child('name'));
  for (const m of isValidPortNumber(port.port)) errors.invalid(at.child('port'), port.port, m);
  if (!protocol) errors.required(at.child('protocol'));
  else if (!PROTOCOLS.includes(protocol)) errors.notSupported(at.child('protocol'), protocol, PROTOCOLS);
  if (appProtocol !== undefined)
    for (const m of isQualifiedName(appProtocol)) errors.invalid(at.child('appProtocol'), appProtocol, m);
}

export const endpointsStrategy: Strategy<Endpoints> = {
  nameRule: 'dnsSubdomain',
  allowCreateOnUpdate: true,
  default({ subsets }) {
    for (const subset of subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP';
  },
  validate(endpoints, errors) {
    // What was stored once may stay: see validateUpdate.
    if (!endpoints.metadata.resourceVersion) validateSubsets(endpoints, errors);
  },
  validateUpdate(now, old, errors) {
    if (!semanticEqual(now.subsets, old.subsets)) validateSubsets(now, errors);
  },
  warnings: ({ subsets = [] }) =>
    subsets.flatMap((subset, i) =>
      (['addresses', 'notReadyAddresses'] as const).flatMap(list =>
        (subset[list] ?? []).flatMap(({ ip }, j) => ipWarnings(ip, SUBSETS.index(i).child(list).index(j).child('ip'))),
      ),
    ),
};
