import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { parseQuery, type Query } from './message.ts';
import { ReplyCache } from './reply-cache.ts';

const ask = (name: string, id = 9) => {
  const bytes = encode({ type: 'query', id, flags: 0x100, questions: [{ type: 'A', name }] });
  return { bytes, query: parseQuery(bytes) as Query };
};
const reply = (name: string, answers: Answer[], more: object = {}) =>
  encode({ type: 'response', id: 1, flags: 0x180, questions: [{ type: 'A', name }], answers, ...more });
const a = (ttl: number): Answer => ({ type: 'A', name: 'x.org', ttl, data: '192.0.2.1' });
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'org',
  ttl,
  data: { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum },
});

function cached(bytes: Uint8Array, afterMs: number, limit = 512) {
  const cache = new ReplyCache();
  const { query, bytes: header } = ask('x.org');
  cache.put(query, header, bytes, 0);
  const again = ask('X.org', 77);
  const found = cache.get(again.query, again.bytes, afterMs, limit);
  return found && decode(Buffer.from(found));
}

test('a reply answers the same question again, in its case and with its id, and ages', () => {
  const found = cached(reply('x.org', [a(20), a(300)]), 4_500)!;
  assert.equal(found.id, 77);
  assert.equal(found.questions![0]!.name, 'X.org');
  assert.deepEqual(
    found.answers!.map(r => (r as { ttl: number }).ttl),
    [16, 296],
  );
});

test('it is kept for its least TTL, and half a minute at most', () => {
  assert.ok(cached(reply('x.org', [a(20), a(300)]), 19_999));
  assert.equal(cached(reply('x.org', [a(20), a(300)]), 20_000), undefined);
  assert.ok(cached(reply('x.org', [a(300)]), 29_999));
  assert.equal(cached(reply('x.org', [a(300)]), 30_000), undefined);
  assert.equal(cached(reply('x.org', [a(0)]), 0), undefined);
});

test('a no is kept for as long as the SOA says', () => {
  const no = reply('x.org', [], { flags: 0x183, authorities: [soa(300, 7)] });
  assert.ok(cached(no, 6_999));
  assert.equal(cached(no, 7_000), undefined);
  assert.equal(cached(reply('x.org', [], { flags: 0x183 }), 0), undefined);
});

test('options of a reply are for who asked: others get it without them', () => {
  const opt = (at: 'end' | 'start') => {
    const cookie = { code: 10, data: Buffer.from('8 bytes of one client and of it'), type: null };
    const extra = { type: 'OPT', name: '.', udpPayloadSize: 1232, extendedRcode: 0, ednsVersion: 0, flags: 0 } as const;
    const records = [{ ...extra, options: [cookie] }, a(20)] as Answer[];
    return reply('x.org', [a(20)], { additionals: at === 'end' ? records.toReversed() : records });
  };
  const found = cached(opt('end'), 0)!;
  assert.equal(found.answers!.length, 1);
  const [glue, last] = found.additionals!;
  assert.equal(glue!.type, 'A');
  assert.deepEqual([last!.type, (last as unknown as { options: unknown[] }).options], ['OPT', []]);
  assert.equal(cached(opt('start'), 0), undefined);
});

test('failures, cut replies and those that do not fit are asked again', () => {
  assert.equal(cached(reply('x.org', [a(20)], { flags: 0x182 }), 0), undefined);
  assert.equal(cached(reply('x.org', [a(20)], { flags: 0x380 }), 0), undefined);
  assert.equal(cached(reply('x.org', [a(20)]), 0, 30), undefined);
});

test('no reply makes the reader throw, and the cache stays bounded', () => {
  const cache = new ReplyCache();
  const { query, bytes } = ask('x.org');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), junk => {
      cache.put(query, bytes, junk, 0);
    }),
  );
  const good = reply('x.org', [a(20)]);
  for (let i = 0; i < 10_050; i++) cache.put({ ...query, name: `${i}.org` }, bytes, good, 0);
  assert.equal(cache.size, 10_000);
});
