import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CpuBook } from './cpu-book.ts';
import { parseCpus } from './cpu-set.ts';
import { decodeCpuState, encodeCpuState } from './cpu-state.ts';

// As kubelets of Kubernetes have written them.
const files = [
  '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}',
  '{"policyName":"static","defaultCpuSet":"0,4-27","entries":{"39b37746-7f5e-4064-b8e1-eebd2bfaa003":{"app":"1-3"}},"checksum":3300516549}',
  '{"policyName":"static","defaultCpuSet":"0,4-8,12-15","entries":{"088fe178-cec9-4eb9-ba3c-cf45cba46371":{"qos-demo-ctr":"1,9"},"681eca58-a216-4ec4-a57b-941cad3c4e0f":{"qos-demo-ctr":"2-3,10-11"}},"checksum":2993692383}',
];

test("a state file is byte for byte a kubelet's", () => {
  for (const text of files) {
    assert.equal(encodeCpuState(decodeCpuState(text)), text);
    const { policyName } = JSON.parse(text);
    assert.equal(encodeCpuState(CpuBook.of(decodeCpuState(text)).toState(policyName)), text);
  }
  assert.throws(() => decodeCpuState(files[1]!.replace('4-27', '4-28')), { message: 'checkpoint is corrupted' });
});

test('a book that does not fit the machine is told of', () => {
  const all = parseCpus('0-27');
  const verify = (text: string, reserved: string, strict = false, machine = all) => {
    const entries = { u: { app: '1-3' } };
    CpuBook.of({ policyName: 'static', defaultCpuSet: text, entries }).verify(machine, parseCpus(reserved), strict);
  };
  verify('0,4-27', '0');
  verify('4-27', '0', true);
  assert.throws(() => verify('4-27', '0'), /^Error: not all reserved cpus: "0" are present in defaultCpuSet: "4-27"$/);
  assert.throws(() => verify('0,4-27', '0', true), /some of strictly reserved cpus: "0" are present in defaultCpuSet/);
  assert.throws(
    () => verify('0,3-27', '0'),
    /pod: u, container: app cpuset: "1-3" overlaps with default cpuset "0,3-27"/,
  );
  assert.throws(
    () => verify('0,4-27', '0', false, parseCpus('0-26')),
    /current set of available CPUs "0-26" doesn't match with CPUs in state "0-27"/,
  );
});
