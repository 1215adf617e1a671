import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFaults, create, validated, wording } from '../testing.ts';
import { endpointSliceStrategy } from './endpoint-slice.ts';

const told = (slice: object) =>
  create(endpointSliceStrategy, { metadata: { name: 'x' }, addressType: 'IPv4', endpoints: [], ...slice }).errors;
const endpoint = (more: object) => ({ endpoints: [{ addresses: ['1.2.3.4'], ...more }] });
const times = <T>(count: number, item: (i: number) => T): T[] => Array.from({ length: count }, (_, i) => item(i));
const at = 'endpoints[0]';

test('slices and their endpoints', () => {
  const many = Object.fromEntries(times(17, i => [`k${i}`, 'v']));
  const port = (more: object) => ({ ports: [{ port: 80, ...more }] });
  const hints = (field: string, ...names: string[]) => endpoint({ hints: { [field]: names.map(name => ({ name })) } });
  checkFaults(
    {
      whole: [endpoint({})],
      'no type': [{ addressType: '' }, 'addressType: Required value'],
      type: [{ addressType: 'MAC' }, 'addressType: Unsupported value: "MAC": supported values: "FQDN", "IPv4", "IPv6"'],
      'too many endpoints': [
        { endpoints: times(1001, () => ({ addresses: ['1.2.3.4'] })) },
        'endpoints: Too many: 1001: must have at most 1000 items',
      ],
      'too many addresses': [
        endpoint({ addresses: times(101, i => `1.2.3.${i}`) }),
        `${at}.addresses: Too many: 101: must have at most 100 items`,
      ],
      'name of DNS': [
        { addressType: 'FQDN', ...endpoint({ addresses: ['a'] }) },
        `${at}.addresses[0]: Invalid value: "a": should be a domain with at least two segments separated by dots`,
      ],
      node: [endpoint({ nodeName: 'A' }), `${at}.nodeName: Invalid value: "A": ${wording.subdomain}`],
      hostname: [endpoint({ hostname: 'A' }), `${at}.hostname: Invalid value: "A": ${wording.label}`],
      'too much topology': [
        endpoint({ deprecatedTopology: many }),
        `${at}.deprecatedTopology: Too many: 17: must have at most 16 items`,
      ],
      topology: [
        endpoint({ deprecatedTopology: { k: '-' } }),
        `${at}.deprecatedTopology: Invalid value: "-": ${wording.labelValue}`,
      ],
      'topology of a node': [
        endpoint({ deprecatedTopology: { 'kubernetes.io/hostname': 'n' } }),
        `${at}.deprecatedTopology[kubernetes.io/hostname]: Invalid value: "n": set nodeName instead`,
      ],
      'too many zones': [
        hints('forZones', ...times(9, i => `z${i}`)),
        `${at}.hints.forZones: Too many: 9: must have at most 8 items`,
      ],
      'zone twice': [hints('forZones', 'z', 'z'), `${at}.hints.forZones[1].name: Duplicate value: "z"`],
      zone: [hints('forZones', '-'), `${at}.hints.forZones[0].name: Invalid value: "-": ${wording.labelValue}`],
      'too many nodes': [
        hints('forNodes', ...times(9, i => `n${i}`)),
        `${at}.hints.forNodes: Too many: 9: must have at most 8 items`,
      ],
      'node twice': [hints('forNodes', 'n', 'n'), `${at}.hints.forNodes[1].name: Duplicate value: "n"`],
      'node of a hint': [
        hints('forNodes', 'A'),
        `${at}.hints.forNodes[0].name: Invalid value: "A": ${wording.subdomain}`,
      ],
      'too many ports': [
        { ports: times(20_001, i => ({ name: `p${i}`, port: 80 })) },
        'ports: Too many: 20001: must have at most 20000 items',
      ],
      'name of a port': [port({ name: 'A' }), `ports[0].name: Invalid value: "A": ${wording.label}`],
      'number of a port': [
        port({ port: 65536 }),
        'ports[0].port: Invalid value: 65536: must be between 1 and 65535, inclusive',
      ],
      'no number': [port({ port: undefined })],
      protocol: [
        port({ protocol: 'ICMP' }),
        'ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
      ],
      'empty protocol': [port({ protocol: '' }), 'ports[0].protocol: Required value'],
      'application protocol': [
        port({ appProtocol: '-' }),
        `ports[0].appProtocol: Invalid value: "-": ${wording.qualified}`,
      ],
    },
    told,
  );
  assert.deepEqual(validated(endpointSliceStrategy, { metadata: { name: 'x' }, addressType: 'IPv4', ...port({}) }), [
    'ports[0].protocol: Required value',
  ]);
});
