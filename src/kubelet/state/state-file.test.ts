import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../base/log.ts';
import { cpuStateFile } from '../cpu/cpu-manager.ts';
import { memoryHost } from '../host/memory-host.ts';
import { memoryStateFile } from '../memory/memory-manager.ts';
import { keepNoState } from '../topology/resource-managers.ts';

test('state of another policy, or that cannot be trusted, is told of with what to do about it', async () => {
  const host = memoryHost();
  await host.makeDirectory('/k');
  const cpus = cpuStateFile('/k', host, silentLog);
  assert.equal(await cpus.read('static'), undefined);
  await keepNoState('/k', host, silentLog);
  await keepNoState('/k', host, silentLog);
  assert.equal(
    await host.readFile('/k/cpu_manager_state'),
    '{"policyName":"none","defaultCpuSet":"","checksum":1353318690}',
  );
  assert.equal(
    await host.readFile('/k/memory_manager_state'),
    '{"policyName":"None","machineState":{},"checksum":4236770233}',
  );
  await assert.rejects(cpus.read('static'), {
    message:
      'could not restore state from checkpoint: configured policy "static" differs from state checkpoint policy "none", please drain this node and delete the CPU manager checkpoint file "/k/cpu_manager_state" before restarting Kubelet',
  });
  await host.writeFile('/k/memory_manager_state', '{"policyName":"None","machineState":{},"checksum":1}');
  await assert.rejects(memoryStateFile('/k', host, silentLog).read('None'), {
    message:
      'could not restore state from checkpoint: checkpoint is corrupted, please drain this node and delete the Memory manager checkpoint file "/k/memory_manager_state" before restarting Kubelet',
  });
});
