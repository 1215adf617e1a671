import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Pod } from '../../../api/type/core-v1.ts';
import { chooseVictims, deletionCostAnnotation } from './victims.ts';

const nowMs = Date.UTC(2026, 0, 1);
const at = (secondsAgo: number) => new Date(nowMs - secondsAgo * 1000).toISOString();

interface Traits {
  node?: string;
  phase?: string;
  readyFor?: number;
  cost?: string;
  restarts?: number;
  age?: number;
}

function pod(name: string, t: Traits = {}): Pod {
  const { node = 'n', phase = 'Running', readyFor = 1000, cost, restarts = 0, age = 1000 } = t;
  return {
    metadata: {
      name,
      uid: name,
      creationTimestamp: at(age),
      ...(cost === undefined ? {} : { annotations: { [deletionCostAnnotation]: cost } }),
    },
    spec: { nodeName: node },
    status: {
      phase,
      conditions: readyFor < 0 ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: at(readyFor) }],
      containerStatuses: [{ name: 'c', restartCount: restarts }],
    },
  } as unknown as Pod;
}

const first = (pods: Pod[], related = pods) => chooseVictims(pods, related, 1, nowMs)[0]!.metadata.name;

describe('chooseVictims', () => {
  it('goes by the first rule that tells two pods apart', () => {
    const plain = pod('z');
    assert.equal(first([plain, pod('a', { node: '', cost: '9' })]), 'a', 'unassigned before assigned');
    assert.equal(first([plain, pod('a', { phase: 'Pending', cost: '9' })]), 'a', 'pending before running');
    assert.equal(first([plain, pod('a', { readyFor: -1, cost: '9' })]), 'a', 'not ready before ready');
    assert.equal(first([pod('a', { cost: '5' }), plain]), 'z', 'cheap before dear');
    assert.equal(first([pod('a', { cost: '+5' }), plain]), 'a', 'a cost that is no number counts as 0; then the uid');
    assert.equal(
      first([pod('a', { node: 'm' }), pod('y'), plain]),
      'y',
      'where there are two before where there is one',
    );
    assert.equal(first([pod('a', { readyFor: 5000 }), plain]), 'z', 'ready for a short time');
    assert.equal(first([pod('a'), pod('z', { restarts: 3 })]), 'z', 'restarted');
    assert.equal(first([pod('a', { age: 90_000 }), plain]), 'z', 'young');
    assert.equal(
      first([pod('b', { readyFor: 1001 }), pod('a', { readyFor: 1002 })]),
      'a',
      'about the same age: by uid',
    );
  });

  it('spreads over nodes with the pods of other owners', () => {
    const other = pod('o', { node: 'm' });
    assert.equal(first([pod('z', { node: 'm' }), pod('a')], [pod('z', { node: 'm' }), pod('a'), other]), 'z');
  });

  it('is a choice of as many as asked for, and no ready pod goes while one that is not stays', () => {
    const traits = fc.record({
      node: fc.constantFrom('', 'n', 'm'),
      phase: fc.constantFrom('Pending', 'Running', 'Unknown'),
      readyFor: fc.integer({ min: -1, max: 10 }),
      age: fc.integer({ min: 0, max: 100_000 }),
    });
    fc.assert(
      fc.property(fc.array(traits, { maxLength: 12 }), fc.nat(14), (all, count) => {
        const pods = all.map((t, i) => pod(`p${i}`, t));
        const victims = new Set(chooseVictims(pods, pods, count, nowMs));
        assert.equal(victims.size, Math.min(count, pods.length));
        const running = pods.filter(p => p.spec.nodeName && p.status.phase === 'Running');
        const isReady = (p: Pod) => p.status.conditions!.length > 0;
        if (running.some(p => victims.has(p) && isReady(p)))
          assert.ok(running.every(p => isReady(p) || victims.has(p)));
      }),
    );
  });
});
