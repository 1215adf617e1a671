import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { HorizontalPodAutoscaler } from '../../../api/type/autoscaling-v2.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { noteChange, type PaceMemory, pace } from './pace.ts';
import { defaultDelays, type PodMetric } from './pod-metric.ts';
import { byAverage, bySharedValue, byUtilization, byValue } from './replica-count.ts';

const nowMs = Date.UTC(2026, 0, 1, 12);
const ago = (ms: number) => new Date(nowMs - ms).toISOString();
const tolerances = { up: 0.1, down: 0.1 };

interface PodOptions {
  ready?: boolean;
  phase?: string;
  startedMs?: number;
  deleted?: boolean;
  request?: string;
}

function pod(name: string, options: PodOptions = {}): Pod {
  const { ready = true, phase = 'Running', startedMs = 3_600_000, deleted = false, request = '1' } = options;
  return {
    metadata: { name, namespace: 'a', ...(deleted ? { deletionTimestamp: ago(0) } : {}) },
    spec: { containers: [{ name: 'c', resources: { requests: { cpu: request } } }] },
    status: {
      phase,
      startTime: ago(startedMs),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: ago(startedMs) }],
    },
  } as unknown as Pod;
}
const metric = (milli: number): PodMetric => ({ atMs: nowMs, windowMs: 15_000, milli });

function utilization(
  pods: readonly Pod[],
  milli: Readonly<Record<string, number>>,
  targetPercent = 50,
  current = pods.length,
) {
  const metrics = new Map(Object.entries(milli).map(([name, m]) => [name, metric(m)]));
  const input = { pods, metrics, tolerances, nowMs, delays: defaultDelays, currentReplicas: current };
  return byUtilization({ ...input, resource: 'cpu', container: '', targetPercent });
}

describe('replicas by utilization', () => {
  const three = ['a', 'b', 'c'].map(n => pod(n));
  it('grows and shrinks by the ratio, within tolerance not at all', () => {
    assert.deepEqual(utilization(three, { a: 1000, b: 1000, c: 1000 }), {
      replicas: 6,
      currentMilli: 1000,
      utilization: 100,
    });
    assert.equal(utilization(three, { a: 100, b: 100, c: 100 }).replicas, 1);
    assert.equal(utilization(three, { a: 540, b: 540, c: 540 }).replicas, 3);
    assert.equal(utilization(three, { a: 560, b: 560, c: 560 }).replicas, 4);
  });
  it('takes missing pods for idle on the way up and busy on the way down', () => {
    assert.equal(utilization(three, { a: 1000, b: 1000 }).replicas, 4);
    assert.equal(utilization(three, { a: 100, b: 100 }).replicas, 3);
    assert.equal(utilization(three, { a: 100, b: 100 }, 90).replicas, 2);
  });
  it('counts starting pods as idle on the way up only', () => {
    const pods = [...three, pod('d', { ready: false, startedMs: 60_000 }), pod('e', { phase: 'Pending' })];
    assert.equal(utilization(pods, { a: 1000, b: 1000, c: 1000, d: 1000 }).replicas, 6);
    assert.equal(utilization(pods, { a: 100, b: 100, c: 100, d: 100 }).replicas, 1);
  });
  it('leaves out failed and leaving pods', () => {
    const pods = [...three, pod('d', { phase: 'Failed' }), pod('e', { deleted: true })];
    assert.equal(utilization(pods, { a: 1000, b: 1000, c: 1000, e: 5000 }, 50, 3).replicas, 6);
  });
  it('tells why it cannot', () => {
    assert.throws(() => utilization([], { a: 1 }), {
      message: 'no pods returned by selector while calculating replica count',
    });
    assert.throws(() => utilization(three, {}), {
      message: 'did not receive metrics for targeted pods (pods might be unready)',
    });
    const bare = { ...pod('a'), spec: { containers: [{ name: 'c' }] } } as unknown as Pod;
    assert.throws(() => utilization([bare], { a: 1 }), { message: 'missing request for cpu in container c of Pod a' });
  });
});

describe('replicas by amounts', () => {
  it('averages, shares and values', () => {
    const pods = ['a', 'b'].map(n => pod(n));
    const metrics = new Map(pods.map(p => [p.metadata.name, metric(30_000)]));
    const input = { pods, metrics, tolerances, nowMs, delays: defaultDelays, currentReplicas: 2 };
    assert.deepEqual(byAverage({ ...input, resource: '', targetMilli: 20_000 }), { replicas: 3, currentMilli: 30_000 });
    assert.deepEqual(byValue(200_000, 100_000, input), { replicas: 4, currentMilli: 200_000 });
    assert.deepEqual(byValue(5_000, 1_000, { ...input, currentReplicas: 0 }), { replicas: 5, currentMilli: 5_000 });
    assert.deepEqual(bySharedValue(300_000, 50_000, 3, tolerances), { replicas: 6, currentMilli: 100_000 });
    assert.deepEqual(bySharedValue(155_000, 50_000, 3, tolerances), { replicas: 3, currentMilli: 51_667 });
  });
});

type Spec = HorizontalPodAutoscaler['spec'];
const target = { kind: 'Deployment', name: 'x' };
const fresh = (): PaceMemory => ({ recommendations: [], ups: [], downs: [] });

function paced(spec: Partial<Spec>, memory: PaceMemory, currentReplicas: number, wantedReplicas: number, atMs: number) {
  return pace({
    spec: { scaleTargetRef: target, maxReplicas: 100, ...spec },
    memory,
    currentReplicas,
    wantedReplicas,
    nowMs: atMs,
    downscaleStabilizationMs: 300_000,
  });
}

describe('pace', () => {
  it('without behaviour: doubles at most, shrinks to the highest of five minutes', () => {
    const memory = fresh();
    const up = paced({}, memory, 10, 50, 0);
    assert.deepEqual([up.replicas, up.limited.is, up.limited.reason], [20, true, 'ScaleUpLimit']);
    const kept = paced({}, memory, 50, 2, 60_000);
    assert.deepEqual(
      [kept.replicas, kept.able.reason, kept.limited.reason],
      [50, 'ScaleDownStabilized', 'DesiredWithinRange'],
    );
    assert.equal(paced({}, memory, 50, 2, 360_000).replicas, 2);
  });
  it('with behaviour: the policies of the period', () => {
    const behavior = {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: 'Max',
        policies: [
          { type: 'Percent', value: 100, periodSeconds: 15 },
          { type: 'Pods', value: 4, periodSeconds: 15 },
        ],
      },
      scaleDown: {
        stabilizationWindowSeconds: 60,
        selectPolicy: 'Min',
        policies: [
          { type: 'Percent', value: 50, periodSeconds: 30 },
          { type: 'Pods', value: 2, periodSeconds: 30 },
        ],
      },
    };
    const spec = { scaleTargetRef: target, maxReplicas: 100, behavior };
    const memory = fresh();
    assert.equal(paced({ behavior }, memory, 3, 50, 1000).replicas, 7);
    noteChange(memory, spec, 3, 7, 1000);
    assert.deepEqual([paced({ behavior }, memory, 7, 50, 10_000).replicas, memory.ups.length], [7, 1]);
    assert.equal(paced({ behavior }, memory, 7, 50, 17_000).replicas, 14);
    assert.equal(paced({ behavior }, memory, 14, 1, 30_000).able.reason, 'ScaleDownStabilized');
    const down = paced({ behavior }, memory, 14, 1, 100_000);
    assert.deepEqual([down.replicas, down.limited.reason], [12, 'ScaleDownLimit']);
  });
  it('a disabled direction stays', () => {
    const behavior = {
      scaleUp: { selectPolicy: 'Disabled' },
      scaleDown: { selectPolicy: 'Disabled', stabilizationWindowSeconds: 0 },
    };
    assert.equal(paced({ behavior }, fresh(), 5, 50, 0).replicas, 5);
    assert.equal(paced({ behavior }, fresh(), 5, 1, 0).replicas, 5);
  });
  it('never leaves its bounds when it starts within them', () => {
    const count = fc.integer({ min: 1, max: 60 });
    const steps = fc.array(fc.record({ wanted: count, seconds: fc.integer({ min: 1, max: 400 }) }), { maxLength: 30 });
    const policies = fc.array(
      fc.record({
        type: fc.constantFrom('Pods', 'Percent'),
        value: fc.integer({ min: 1, max: 200 }),
        periodSeconds: count,
      }),
      { minLength: 1, maxLength: 3 },
    );
    const seed = Number(process.env.SEED ?? 20260101);
    fc.assert(
      fc.property(steps, fc.option(policies), (list, rules) => {
        const behavior = rules ? { scaleUp: { policies: rules }, scaleDown: { policies: rules } } : undefined;
        const spec: Spec = {
          scaleTargetRef: target,
          minReplicas: 3,
          maxReplicas: 40,
          ...(behavior ? { behavior } : {}),
        };
        const memory = fresh();
        let current = 10;
        let at = 0;
        for (const { wanted, seconds } of list) {
          at += seconds * 1000;
          const { replicas } = paced(spec, memory, current, wanted, at);
          assert.ok(replicas >= 3 && replicas <= 40, `${replicas}`);
          if (replicas !== current) noteChange(memory, spec, current, replicas, at);
          current = replicas;
        }
      }),
      { seed },
    );
  });
});
