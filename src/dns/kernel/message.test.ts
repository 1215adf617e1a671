import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { encodeResponse, maxTcpBytes, parseQuery, type Query, udpLimit } from './message.ts';
import type { ResourceRecord } from './resolve.ts';

const query = (packet: Packet): Query => {
  const parsed = parseQuery(encode({ type: 'query', id: 258, flags: 0x100, ...packet }));
  assert.ok(parsed && !('malformed' in parsed));
  return parsed;
};
const opt = (udpPayloadSize: number) =>
  ({
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0x8000,
    flag_do: true,
    options: [],
  }) as never;
const a = (name: string, data: string): ResourceRecord => ({ name, type: 'A', ttl: 5, data });

test('a question is read with its EDNS options', () => {
  const plain = query({ questions: [{ type: 'SRV', name: '_h._tcp.Web.svc' }] });
  assert.equal(plain.name, '_h._tcp.Web.svc');
  assert.equal(plain.type, 'SRV');
  assert.equal(plain.id, 258);
  assert.ok(plain.recursionDesired);
  assert.equal(udpLimit(plain), 512);
  const edns = query({ questions: [{ type: 'A', name: 'a' }], additionals: [opt(900)] });
  assert.deepEqual(edns.edns, { udpBytes: 900, version: 0, dnssecOk: true });
  assert.equal(udpLimit(edns), 900);
  assert.equal(udpLimit(query({ questions: [{ type: 'A', name: 'a' }], additionals: [opt(65_000)] })), 1232);
});

test('answers are written so that another decoder reads them', () => {
  const q = query({ questions: [{ type: 'SRV', name: 'Web.default.svc.cluster.local' }], additionals: [opt(1232)] });
  const answers: ResourceRecord[] = [
    {
      name: q.name,
      type: 'SRV',
      ttl: 5,
      data: { priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' },
    },
    { name: q.name, type: 'CNAME', ttl: 5, data: 'x.cluster.local' },
    { name: q.name, type: 'TXT', ttl: 5, data: '1.1.0' },
    { name: q.name, type: 'AAAA', ttl: 5, data: 'fd00::a:1' },
  ];
  const authorities: ResourceRecord[] = [
    {
      name: 'cluster.local',
      type: 'SOA',
      ttl: 5,
      data: { mname: 'ns.dns.cluster.local', rname: 'hostmaster.cluster.local', serial: 9 },
    },
  ];
  const bytes = encodeResponse(
    q,
    { rcode: 'NOERROR', authoritative: true, answers, authorities, additionals: [a('x.cluster.local', '1.2.3.4')] },
    1232,
  );
  const back = decode(Buffer.from(bytes));
  assert.equal(back.id, 258);
  assert.ok(back.flag_aa && back.flag_qr && back.flag_rd && back.flag_ra && !back.flag_tc);
  assert.equal(back.questions![0]!.name, 'Web.default.svc.cluster.local');
  assert.deepEqual(
    back.answers!.map(r => (r as { data: unknown }).data),
    [
      { priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' },
      'x.cluster.local',
      [Buffer.from('1.1.0')],
      'fd00::a:1',
    ],
  );
  assert.equal((back.authorities![0] as { data: { serial: number; minimum: number } }).data.minimum, 5);
  assert.equal(back.additionals![0]!.name, 'x.cluster.local');
  assert.equal(back.additionals![1]!.type, 'OPT');
});

test('a long answer is cut at whole records, whatever the limit', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200 }), fc.boolean(), (count, edns) => {
      const q = query({
        questions: [{ type: 'A', name: 'db.default.svc.cluster.local' }],
        additionals: edns ? [opt(1232)] : [],
      });
      const answers = Array.from({ length: count }, (_, i) => a(`h${i}.${q.name}`, `10.0.0.${i}`));
      const cut = encodeResponse(q, { rcode: 'NOERROR', authoritative: true, answers }, udpLimit(q));
      assert.ok(cut.length <= udpLimit(q));
      const back = decode(Buffer.from(cut));
      assert.equal(back.flag_tc, back.answers!.length < count);
      const whole = decode(
        Buffer.from(encodeResponse(q, { rcode: 'NOERROR', authoritative: true, answers }, maxTcpBytes)),
      );
      assert.equal(whole.answers!.length, count);
      assert.deepEqual(back.answers, whole.answers!.slice(0, back.answers!.length));
    }),
    { numRuns: 50 },
  );
});

test('no bytes make the parser throw, and responses get no answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      const q = parseQuery(bytes);
      if (q && !('malformed' in q)) encodeResponse(q, { rcode: 'NOTIMP', authoritative: false }, 512);
    }),
  );
  assert.equal(parseQuery(encode({ type: 'response', questions: [{ type: 'A', name: 'a' }] })), undefined);
  assert.deepEqual(parseQuery(encode({ type: 'query', id: 5, questions: [] })), { id: 5, malformed: true });
});
