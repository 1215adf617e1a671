import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetArguments, needsCleaning, parseFlows, staleFlows } from './conntrack.ts';

const listed = `udp      17 29 src=10.244.0.5 dst=10.96.0.10 sport=41000 dport=53 [UNREPLIED] src=10.8.0.2 dst=10.244.0.5 sport=53 dport=41000 mark=0 use=1
udp      17 12 src=10.244.0.6 dst=10.96.0.10 sport=41001 dport=53 src=10.8.0.3 dst=10.244.0.6 sport=53 dport=41001 [ASSURED] mark=0 use=1
udp      17 12 src=10.8.0.1 dst=10.8.0.9 sport=41001 dport=30053 src=10.8.0.3 dst=10.8.0.1 sport=53 dport=5 mark=0 use=1
udp      17 12 src=10.8.0.1 dst=192.0.2.1 sport=41001 dport=53 src=192.0.2.1 dst=10.8.0.1 sport=53 dport=41001 mark=0 use=1
`;

test('connections to endpoints that are gone are found, others left', () => {
  const frontends = new Map([
    ['10.96.0.10 53', new Set(['10.8.0.2 53'])],
    [' 30053', new Set<string>()],
  ]);
  const stale = staleFlows(parseFlows(listed), frontends, new Set(['10.8.0.9']));
  assert.deepEqual(
    stale.map(f => `${f.destination}:${f.port} ${f.endpoint}:${f.endpointPort}`),
    ['10.96.0.10:53 10.8.0.3:53', '10.8.0.9:30053 10.8.0.3:53'],
  );
  assert.equal(
    forgetArguments(stale[0]!).join(' '),
    '-D -p udp -f ipv4 --orig-dst 10.96.0.10 --orig-port-dst 53 --reply-src 10.8.0.3 --reply-port-src 53',
  );
});

test('it is looked only after an endpoint went or the first came', () => {
  const f = (...endpoints: string[]) => new Map([['10.96.0.10 53', new Set(endpoints)]]);
  assert.ok(!needsCleaning(f('a'), f('a', 'b')));
  assert.ok(!needsCleaning(f('a'), f('a')));
  assert.ok(needsCleaning(f('a', 'b'), f('a')));
  assert.ok(needsCleaning(f(), f('a')));
  assert.ok(needsCleaning(undefined, f('a')));
  assert.ok(needsCleaning(f('a'), new Map()));
  assert.ok(!needsCleaning(undefined, f()));
});
