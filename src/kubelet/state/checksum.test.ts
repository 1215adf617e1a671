import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decodeCpuState, encodeCpuState } from '../cpu/kernel/cpu-state.ts';
import { decodeMemoryState, encodeMemoryState } from '../memory/kernel/memory-state.ts';

// Recorded by test/interop/kubelet-state.
const lines = readFileSync(new URL('testdata/state-files.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

test("sums of state files are those of Kubernetes' hash of objects", () => {
  for (const line of lines) {
    const again = line.includes('machineState')
      ? encodeMemoryState(decodeMemoryState(line))
      : encodeCpuState(decodeCpuState(line));
    assert.deepEqual(JSON.parse(again), JSON.parse(line));
  }
  assert.equal(lines.length, 6);
});
