import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rememberedClients } from './affinity.ts';

const set = (name: string, elem?: unknown, table = 'k8ts-proxy') => ({
  set: { family: 'ip', name, table, type: 'ipv4_addr', ...(elem ? { elem } : {}) },
});
const client = (val: string, expires: number) => ({ elem: { val, expires } });

test('clients come back with the time they have left, those of endpoints that are gone do not', () => {
  const listed = JSON.stringify({
    nftables: [
      { metainfo: { version: '1.0.6' } },
      set('affinity-1', [client('10.0.0.1', 49), client('10.0.0.2', 0)]),
      set('affinity-2'),
      set('affinity-3', [client('10.0.0.3', 9)]),
      set('cluster-ips', ['10.96.0.1']),
      set('affinity-1', [client('10.0.0.9', 9)], 'others'),
    ],
  });
  assert.deepEqual(rememberedClients(4, new Set(['affinity-1', 'affinity-2']), listed), [
    'add element ip k8ts-proxy affinity-1 { 10.0.0.1 expires 49s }',
  ]);
  const many = Array.from({ length: 501 }, (_, i) => client(`fd00::${i.toString(16)}`, 5));
  const lines = rememberedClients(6, new Set(['a']), JSON.stringify({ nftables: [set('a', many)] }));
  assert.equal(lines.length, 2);
  assert.equal(lines[1], 'add element ip6 k8ts-proxy a { fd00::1f4 expires 5s }');
});
