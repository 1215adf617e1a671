import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseEndpoints, endpointsOf, type TrafficPolicy } from './endpoint.ts';
import { testSlice } from './test-objects.ts';

const place = { nodeName: 'a', zone: 'z1' };
const both = { internalLocal: false, externalLocal: false, external: false };

function choose(endpoints: readonly string[], policy: Partial<TrafficPolicy> = {}, at = place) {
  const all = endpointsOf([testSlice('s', endpoints)], 'p', 'TCP', 4, at);
  const choice = chooseEndpoints(all, { ...both, ...policy }, at);
  const show = (list: typeof all) => list.map(e => e.address.split('.')[3]).join('');
  return [show([...choice.cluster]), show([...choice.local]), choice.any];
}

const cases: [string, string[], Partial<TrafficPolicy>, [string, string, boolean]][] = [
  ['ready ones', ['1.1.1.1@a', '1.1.1.2@b', '1.1.1.3@b -'], {}, ['12', '', true]],
  ['none', [], {}, ['', '', false]],
  ['none ready', ['1.1.1.1@a -'], {}, ['', '', false]],
  ['serving while terminating, when nothing is ready', ['1.1.1.1@a ~', '1.1.1.2@b -'], {}, ['1', '', true]],
  ['not the terminating ones otherwise', ['1.1.1.1@a ~', '1.1.1.2@b'], {}, ['2', '', true]],
  ['local only', ['1.1.1.1@a', '1.1.1.2@b'], { internalLocal: true }, ['', '1', true]],
  ['local elsewhere', ['1.1.1.2@b'], { internalLocal: true }, ['', '', true]],
  ['local terminating', ['1.1.1.1@a ~', '1.1.1.2@b'], { externalLocal: true, external: true }, ['2', '1', true]],
  ['external local without anything external', ['1.1.1.1@a'], { externalLocal: true }, ['1', '', true]],
  ['hints for the node', ['1.1.1.1@a >a', '1.1.1.2@b >b'], {}, ['1', '', true]],
  ['hints for others only', ['1.1.1.3@c >c', '1.1.1.2@b >b'], {}, ['23', '', true]],
  ['one without a hint', ['1.1.1.1@a >a', '1.1.1.2@b'], {}, ['12', '', true]],
  ['hints for the zone', ['1.1.1.1 ^z1', '1.1.1.2 ^z2'], {}, ['1', '', true]],
  ['the node before the zone', ['1.1.1.1 ^z1 >b', '1.1.1.2 ^z1 >a'], {}, ['2', '', true]],
  ['the zone where the node has none', ['1.1.1.1 ^z1 >b', '1.1.1.2 ^z2 >b'], {}, ['1', '', true]],
  ['hints do not count for policy Local', ['1.1.1.1@a >b', '1.1.1.2@b >b'], { internalLocal: true }, ['', '1', true]],
];

for (const [name, endpoints, policy, expected] of cases)
  test(`endpoints: ${name}`, () => assert.deepEqual(choose(endpoints, policy), expected));

test('a node without a zone takes all', () => {
  assert.deepEqual(choose(['1.1.1.1 ^z1', '1.1.1.2 ^z2'], {}, { nodeName: 'a', zone: '' }), ['12', '', true]);
});

test('ports match by name and protocol; an endpoint in two slices counts once, as ready', () => {
  const slices = [
    testSlice('s', ['1.1.1.1 -']),
    testSlice('s', ['1.1.1.1']),
    testSlice('s', ['1.1.1.9'], { ports: [{ name: 'p', protocol: 'UDP', port: 1 }] }),
    testSlice('s', ['fd00::1'], { addressType: 'IPv6' }),
  ];
  const found = endpointsOf(slices, 'p', 'TCP', 4, place);
  assert.deepEqual(
    found.map(e => `${e.address}:${e.port} ${e.ready}`),
    ['1.1.1.1:8080 true'],
  );
  assert.equal(endpointsOf(slices, 'p', 'TCP', 6, place).length, 1);
});
