import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pod } from '../../api/type/core-v1.ts';
import { bytesOf, milliOf } from './amount.ts';
import { victimsFor } from './preemption.ts';

const podOf = (name: string, requests: object, more: object = {}, limits: object = {}): Pod =>
  ({ metadata: { name }, spec: { containers: [{ name: 'c', resources: { requests, limits } }], ...more } }) as never;
const guaranteed = (name: string, cpu: string, more: object = {}) =>
  podOf(name, { cpu, memory: '1' }, more, { cpu, memory: '1' });
const burstable = (name: string, cpu: string, more: object = {}) => podOf(name, { cpu }, more);
const critical = burstable('critical', '1', { priority: 2_000_001_000 });
const lacking = (name: string, amount: number) => ({ name, requested: 0, used: 0, capacity: 0, lacking: amount });
const victims = (others: readonly Pod[], cpuMilli: number, preemptor = critical) =>
  victimsFor(preemptor, others, [lacking('cpu', cpuMilli)])?.map(p => p.metadata.name);

test('those of a lower class of service go first, and no more than are needed', () => {
  const all = [guaranteed('g', '2'), burstable('b1', '1'), burstable('b2', '500m'), podOf('best', {})];
  assert.deepEqual(victims(all, 500), ['b2']);
  assert.deepEqual(victims(all, 700), ['b1']);
  assert.deepEqual(victims(all, 1500), ['b1', 'b2']);
  assert.deepEqual(victims(all, 3000), ['g', 'b1']);
  assert.deepEqual(victims(all, 3600), undefined);
  assert.deepEqual(
    victimsFor(critical, all, [lacking('pods', 1)])?.map(p => p.metadata.name),
    ['best'],
  );
});

test('of two alike the one of lower priority goes', () => {
  assert.deepEqual(victims([burstable('a', '1', { priority: 5 }), burstable('b', '1', { priority: -5 })], 1000), ['b']);
});

test('critical pods stay, unless the other has the higher priority', () => {
  const cluster = burstable('cluster', '1', { priority: 2_000_000_000 });
  const fixed = { ...burstable('static', '1'), metadata: { annotations: { 'kubernetes.io/config.source': 'file' } } };
  assert.equal(victims([fixed as unknown as Pod], 1000), undefined);
  assert.deepEqual(victims([cluster], 1000), ['cluster']);
  assert.equal(victims([cluster], 1000, burstable('same', '1', { priority: 2_000_000_000 })), undefined);
});

test('there is room once the victims are gone, and would not be with one of them left', () => {
  const pods = fc.array(fc.tuple(fc.nat(4), fc.nat(4), fc.boolean()), { maxLength: 8 });
  fc.assert(
    fc.property(pods, fc.nat(10), fc.nat(10), (made, cpu, memory) => {
      const all = made.map(([c, m, limited], i) => {
        const amounts = { ...(c ? { cpu: `${c}` } : {}), ...(m ? { memory: `${m}` } : {}) };
        return podOf(`p${i}`, amounts, {}, limited ? amounts : {});
      });
      const lacks = [lacking('cpu', cpu * 1000), lacking('memory', memory)].filter(l => l.lacking > 0);
      const of = (p: Pod, name: 'cpu' | 'memory') => p.spec.containers[0]!.resources?.requests?.[name];
      const enough = (gone: readonly Pod[]) =>
        gone.reduce((n, p) => n + milliOf(of(p, 'cpu')), 0) >= cpu * 1000 &&
        gone.reduce((n, p) => n + bytesOf(of(p, 'memory')), 0) >= memory;
      const chosen = victimsFor(critical, all, lacks);
      assert.equal(chosen !== undefined, enough(all));
      if (!chosen) return;
      assert.ok(enough(chosen));
      for (const p of chosen) assert.equal(enough(chosen.filter(c => c !== p)), false);
    }),
  );
});
