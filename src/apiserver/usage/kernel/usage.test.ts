import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseReading } from './reading.ts';
import { usageOf, usageQuantities, windowText } from './usage.ts';

const exposition = `# HELP container_cpu_usage_seconds_total [STABLE] Cumulative cpu time
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{container="c",namespace="default",pod="web-1"} 12.5 1000000
container_cpu_usage_seconds_total{container="young",namespace="default",pod="web-1"} 0.1 1000000
container_memory_working_set_bytes{container="c",namespace="default",pod="web-1"} 1.3631488e+07 1000000
container_start_time_seconds{container="c",namespace="default",pod="web-1"} 500
node_cpu_usage_seconds_total 3000.25 1000500
node_memory_working_set_bytes 2147483648 1000500
resource_scrape_error 0
`;

test('a reading holds what has processor and memory', () => {
  const { node, pods } = parseReading(exposition, 7);
  assert.deepEqual(node, { atMs: 1000500, cpuNanoseconds: 3000250000000, memoryBytes: 2147483648, startMs: 0 });
  assert.deepEqual([...pods.keys()], ['default/web-1']);
  assert.deepEqual(
    [...pods.get('default/web-1')!],
    [['c', { atMs: 1000000, cpuNanoseconds: 12500000000, memoryBytes: 13631488, startMs: 500000 }]],
  );
});

test('usage is over the time between two readings', () => {
  const before = { atMs: 100_000, cpuNanoseconds: 1e9, memoryBytes: 1, startMs: 50_000 };
  const now = { atMs: 115_040, cpuNanoseconds: 8.52e9, memoryBytes: 13312 * 1024, startMs: 50_000 };
  const usage = usageOf(before, now)!;
  assert.deepEqual(usageQuantities(usage), { cpu: '500m', memory: '13Mi' });
  assert.equal(windowText(usage.windowMs), '15.04s');
});

test('a container is known once it is ten seconds old, and again after it began anew', () => {
  const young = { atMs: 59_999, cpuNanoseconds: 5e9, memoryBytes: 1, startMs: 50_000 };
  assert.equal(usageOf(undefined, young), undefined);
  assert.equal(usageOf(undefined, { ...young, atMs: 60_000 })?.nanoCores, 5e8);
  const again = { atMs: 90_000, cpuNanoseconds: 2e9, memoryBytes: 1, startMs: 70_000 };
  assert.equal(usageOf(young, again)?.nanoCores, 1e8);
});

test('a counter of unknown start that falls tells nothing', () => {
  const before = { atMs: 1, cpuNanoseconds: 10, memoryBytes: 1, startMs: 0 };
  assert.equal(usageOf(before, { ...before, atMs: 2, cpuNanoseconds: 9 }), undefined);
  assert.equal(usageOf(before, before), undefined);
  assert.equal(usageOf(undefined, before), undefined);
});
