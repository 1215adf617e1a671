import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { encodeResponse } from './message.ts';
import { RecordIndex } from './record-index.ts';
import { type Answer, resolve, type Zone } from './resolve.ts';

const service = (name: string, spec: object, namespace = 'default') =>
  ({ metadata: { name, namespace }, spec: { type: 'ClusterIP', ...spec }, status: {} }) as Service;
const slice = (name: string, serviceName: string, more: object, namespace = 'default') =>
  ({
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    ...more,
  }) as unknown as EndpointSlice;

function zoneOf(services: Service[], slices: EndpointSlice[] = [], namespaces?: string[]): Zone {
  const index = new RecordIndex();
  for (const s of services) index.putService(s);
  for (const s of slices) index.putSlice(s);
  for (const n of namespaces ?? []) index.putNamespace(n);
  return { domain: 'cluster.local', index, serverAddress: '10.96.0.10', serial: () => 7 };
}

/** `RCODE`, then `TYPE data` of each answer, then those of the additional section behind a `+`. */
function ask(zone: Zone, name: string, type: string): string[] | undefined {
  const answer = resolve(zone, name, type);
  return answer && show(answer);
}
const show = (a: Answer) => [
  a.rcode,
  ...a.answers.map(r => `${r.type} ${dataOf(r.data)}`),
  ...a.additionals.map(r => `+${r.name} ${r.type} ${dataOf(r.data)}`),
];
const dataOf = (d: unknown): string =>
  typeof d === 'string'
    ? d
    : Object.values(d as object)
        .filter(v => v !== undefined)
        .join(' ');

const web = service('web', {
  clusterIP: '10.96.1.1',
  clusterIPs: ['10.96.1.1', 'fd00::1'],
  ports: [
    { name: 'http', protocol: 'TCP', port: 80 },
    { name: 'dns', protocol: 'UDP', port: 53 },
  ],
});
const headless = service('db', { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'http', port: 80 }] });
const dbSlice = slice('db-1', 'db', {
  endpoints: [
    { addresses: ['10.244.0.5'], conditions: { ready: true }, hostname: 'db-0' },
    { addresses: ['10.244.1.6'] },
    { addresses: ['10.244.1.7'], conditions: { ready: false }, hostname: 'db-2' },
  ],
});
const zone = zoneOf([web, headless], [dbSlice]);

test('a service has its addresses, by family', () => {
  assert.deepEqual(ask(zone, 'web.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.96.1.1']);
  assert.deepEqual(ask(zone, 'WEB.default.SVC.cluster.local', 'AAAA'), ['NOERROR', 'AAAA fd00::1']);
  const answer = resolve(zone, 'web.default.svc.cluster.local', 'A')!;
  assert.equal(answer.answers[0]!.ttl, 5);
  assert.deepEqual(ask(zone, '_http._tcp.web.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.96.1.1']);
});

test('named ports have SRV records', () => {
  const additional = ['+web.default.svc.cluster.local A 10.96.1.1', '+web.default.svc.cluster.local AAAA fd00::1'];
  assert.deepEqual(ask(zone, '_http._tcp.web.default.svc.cluster.local', 'SRV'), [
    'NOERROR',
    'SRV 0 100 80 web.default.svc.cluster.local',
    ...additional,
  ]);
  assert.deepEqual(
    ask(zone, '_dns._udp.web.default.svc.cluster.local', 'SRV')![1],
    'SRV 0 100 53 web.default.svc.cluster.local',
  );
  assert.equal(ask(zone, 'web.default.svc.cluster.local', 'SRV')!.length, 5);
  assert.deepEqual(ask(zone, '_http._udp.web.default.svc.cluster.local', 'SRV'), ['NXDOMAIN']);
  assert.deepEqual(ask(zone, '_tcp.web.default.svc.cluster.local', 'SRV'), ['NOERROR']);
  assert.deepEqual(ask(zone, '_sctp.web.default.svc.cluster.local', 'SRV'), ['NXDOMAIN']);
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  const both = zoneOf([service('both', { clusterIP: '10.96.1.2', ports })]);
  assert.deepEqual(ask(both, 'both.default.svc.cluster.local', 'SRV'), [
    'NOERROR',
    'SRV 0 100 53 both.default.svc.cluster.local',
    '+both.default.svc.cluster.local A 10.96.1.2',
  ]);
});

test('a headless service has the ready endpoints', () => {
  assert.deepEqual(ask(zone, 'db.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.244.0.5', 'A 10.244.1.6']);
  assert.deepEqual(ask(zone, 'db.default.svc.cluster.local', 'AAAA'), ['NOERROR']);
  assert.deepEqual(ask(zone, 'db-0.db.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.244.0.5']);
  assert.deepEqual(ask(zone, '10-244-1-6.db.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.244.1.6']);
  assert.deepEqual(ask(zone, 'db-2.db.default.svc.cluster.local', 'A'), ['NXDOMAIN']);
  assert.deepEqual(ask(zone, '_http._tcp.db.default.svc.cluster.local', 'SRV'), [
    'NOERROR',
    'SRV 0 50 8080 db-0.db.default.svc.cluster.local',
    'SRV 0 50 8080 10-244-1-6.db.default.svc.cluster.local',
    '+db-0.db.default.svc.cluster.local A 10.244.0.5',
    '+10-244-1-6.db.default.svc.cluster.local A 10.244.1.6',
  ]);
  const empty = zoneOf([headless]);
  assert.deepEqual(ask(empty, 'db.default.svc.cluster.local', 'A'), ['NXDOMAIN']);
});

test('a headless service without ports still has addresses', () => {
  const portless = zoneOf(
    [service('db', { clusterIP: 'None' })],
    [slice('s', 'db', { ports: [], endpoints: [{ addresses: ['10.1.1.1'], hostname: 'a' }] })],
  );
  assert.deepEqual(ask(portless, 'db.default.svc.cluster.local', 'A'), ['NOERROR', 'A 10.1.1.1']);
  assert.deepEqual(ask(portless, 'db.default.svc.cluster.local', 'SRV'), ['NOERROR']);
});

test('addresses lead back to names', () => {
  assert.deepEqual(ask(zone, '1.1.96.10.in-addr.arpa', 'PTR'), ['NOERROR', 'PTR web.default.svc.cluster.local']);
  assert.deepEqual(ask(zone, '5.0.244.10.in-addr.arpa', 'PTR'), ['NOERROR', 'PTR db-0.db.default.svc.cluster.local']);
  const v6 = `1.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`;
  assert.deepEqual(ask(zone, v6, 'PTR'), ['NOERROR', 'PTR web.default.svc.cluster.local']);
  assert.equal(ask(zone, '9.9.9.9.in-addr.arpa', 'PTR'), undefined);
  assert.equal(ask(zone, 'example.com', 'A'), undefined);
});

test('pods have names made of their addresses', () => {
  assert.deepEqual(ask(zone, '10-244-0-9.default.pod.cluster.local', 'A'), ['NOERROR', 'A 10.244.0.9']);
  assert.deepEqual(ask(zone, 'fd00--5.default.pod.cluster.local', 'AAAA'), ['NOERROR', 'AAAA fd00::5']);
  assert.deepEqual(ask(zone, '10-244-0-9.default.pod.cluster.local', 'AAAA'), ['NOERROR']);
  assert.deepEqual(ask(zone, '10-244-0-900.default.pod.cluster.local', 'A'), ['NXDOMAIN']);
  const known = zoneOf([], [], ['a']);
  assert.deepEqual(ask(known, '10-244-0-9.a.pod.cluster.local', 'A'), ['NOERROR', 'A 10.244.0.9']);
  assert.deepEqual(ask(known, '10-244-0-9.b.pod.cluster.local', 'A'), ['NXDOMAIN']);
});

test('an external name is an alias, followed within the zone', () => {
  const external = (name: string, externalName: string) => service(name, { type: 'ExternalName', externalName });
  const z = zoneOf([
    web,
    external('out', 'example.com.'),
    external('in', 'web.default.svc.cluster.local'),
    external('a', 'b.default.svc.cluster.local'),
    external('b', 'a.default.svc.cluster.local'),
    external('digits', '10.1.2.3'),
  ]);
  const out = resolve(z, 'out.default.svc.cluster.local', 'A')!;
  assert.deepEqual(show(out), ['NOERROR', 'CNAME example.com']);
  assert.equal(out.external, 'example.com');
  assert.equal(resolve(z, 'out.default.svc.cluster.local', 'CNAME')!.external, undefined);
  assert.deepEqual(ask(z, 'in.default.svc.cluster.local', 'A'), [
    'NOERROR',
    'CNAME web.default.svc.cluster.local',
    'A 10.96.1.1',
  ]);
  assert.equal(resolve(z, 'a.default.svc.cluster.local', 'A')!.rcode, 'NOERROR');
  // As CoreDNS 1.15, and as the documentation of services says.
  for (const type of ['A', 'CNAME', 'SRV'])
    assert.deepEqual(ask(z, 'digits.default.svc.cluster.local', type), ['NXDOMAIN'], type);
});

test('names that lead on exist, others do not, and both say so with the SOA', () => {
  for (const name of [
    'cluster.local',
    'svc.cluster.local',
    'default.svc.cluster.local',
    'web.default.svc.cluster.local',
  ])
    assert.deepEqual(ask(zone, name, 'MX'), ['NOERROR'], name);
  for (const name of [
    'x.cluster.local',
    'x.svc.cluster.local',
    'x.default.svc.cluster.local',
    'a.b.c.d.e.svc.cluster.local',
  ])
    assert.deepEqual(ask(zone, name, 'A'), ['NXDOMAIN'], name);
  assert.deepEqual(resolve(zone, 'x.cluster.local', 'A')!.authorities, [
    {
      name: 'cluster.local',
      type: 'SOA',
      ttl: 5,
      data: { mname: 'ns.dns.cluster.local', rname: 'hostmaster.cluster.local', serial: 7 },
    },
  ]);
  assert.deepEqual(ask(zone, 'dns-version.cluster.local', 'TXT'), ['NOERROR', 'TXT 1.1.0']);
  assert.deepEqual(ask(zone, 'ns.dns.cluster.local', 'A'), ['NOERROR', 'A 10.96.0.10']);
  assert.deepEqual(ask(zone, 'cluster.local', 'NS'), [
    'NOERROR',
    'NS ns.dns.cluster.local',
    '+ns.dns.cluster.local A 10.96.0.10',
  ]);
});

test('no name makes the resolver or the encoder throw', () => {
  const suffix = fc.constantFrom('', '.cluster.local', '.svc.cluster.local', '.default.svc.cluster.local', '.ip6.arpa');
  const label = fc.oneof(fc.string({ maxLength: 12 }), fc.constantFrom('_http', '_tcp', 'web', 'db', '10-1-1-1', ''));
  const type = fc.constantFrom('A', 'AAAA', 'SRV', 'PTR', 'TXT', 'SOA', 'NS', 'CNAME', 'ANY', 'TYPE7', '__proto__');
  fc.assert(
    fc.property(fc.array(label, { maxLength: 5 }), suffix, type, (labels, end, t) => {
      const name = `${labels.join('.')}${end}`;
      const answer = resolve(zone, name, t);
      const query = { id: 1, opcode: 0, recursionDesired: true, name, type: t, class: 1, question: new Uint8Array(0) };
      if (answer) encodeResponse(query, { ...answer, authoritative: true }, 512);
    }),
  );
});

test('an index changed step by step answers like one made at once', () => {
  const names = ['a', 'b'];
  const ips = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
  const change = fc.oneof(
    fc.record({
      what: fc.constant('service' as const),
      name: fc.constantFrom(...names),
      ip: fc.constantFrom('None', ...ips),
    }),
    fc.record({
      what: fc.constant('slice' as const),
      slice: fc.constantFrom('s1', 's2'),
      name: fc.constantFrom(...names),
      addresses: fc.uniqueArray(fc.record({ ip: fc.constantFrom(...ips), ready: fc.boolean() }), { maxLength: 3 }),
    }),
    fc.record({ what: fc.constant('no service' as const), name: fc.constantFrom(...names) }),
    fc.record({ what: fc.constant('no slice' as const), slice: fc.constantFrom('s1', 's2') }),
  );
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), changes => {
      const services = new Map<string, Service>();
      const slices = new Map<string, EndpointSlice>();
      const changing = zoneOf([]);
      for (const c of changes) {
        if (c.what === 'service') {
          // A cluster IP belongs to one service at a time.
          if (c.ip !== 'None' && [...services].some(([n, s]) => n !== c.name && s.spec.clusterIP === c.ip)) continue;
          const s = service(c.name, { clusterIP: c.ip, ports: [{ name: 'http', port: 80 }] });
          services.set(c.name, s);
          changing.index.putService(s);
        } else if (c.what === 'slice') {
          const endpoints = c.addresses.map(a => ({ addresses: [a.ip], conditions: { ready: a.ready } }));
          const s = slice(c.slice, c.name, { endpoints });
          changing.index.putSlice(s, slices.get(c.slice));
          slices.set(c.slice, s);
        } else if (c.what === 'no service') {
          const s = services.get(c.name);
          if (s) changing.index.deleteService(s);
          services.delete(c.name);
        } else {
          const s = slices.get(c.slice);
          if (s) changing.index.deleteSlice(s);
          slices.delete(c.slice);
        }
      }
      const fresh = zoneOf([...services.values()], [...slices.values()]);
      const questions = [
        ...names.flatMap(n => [
          [`${n}.default.svc.cluster.local`, 'A'],
          [`_http._tcp.${n}.default.svc.cluster.local`, 'SRV'],
        ]),
        ...ips.map(ip => [`${ip.split('.').reverse().join('.')}.in-addr.arpa`, 'PTR']),
        ['default.svc.cluster.local', 'A'],
      ];
      const sorted = (z: Zone) => questions.map(([n, t]) => ask(z, n!, t!)?.sort());
      assert.deepEqual(sorted(changing), sorted(fresh));
    }),
  );
});
