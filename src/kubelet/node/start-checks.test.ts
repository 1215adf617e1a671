import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryHost } from '../host/memory-host.ts';
import { checkStart, type StartChecks } from './start-checks.ts';

test('a machine that is not as the configuration wants it', async () => {
  const host = memoryHost();
  const fine: StartChecks = {
    ...{ swapBytes: 1, failSwapOn: false, cgroupVersion: 1, failCgroupV1: false, protectKernelDefaults: false },
  };
  await checkStart(host, fine);
  await assert.rejects(checkStart(host, { ...fine, failSwapOn: true }), /running with swap on is not supported/);
  await assert.rejects(checkStart(host, { ...fine, failCgroupV1: true }), /to not run on a host using cgroup v1/);
  await checkStart(host, { ...fine, failCgroupV1: true, cgroupVersion: 2 });
  for (const directory of ['/proc/sys/vm', '/proc/sys/kernel/keys']) await host.makeDirectory(directory);
  const values = {
    'vm/overcommit_memory': '1',
    'vm/panic_on_oom': '0',
    'kernel/panic': '0',
    'kernel/panic_on_oops': '1',
  };
  const keys = { 'kernel/keys/root_maxkeys': '1000000', 'kernel/keys/root_maxbytes': '25000000' };
  for (const [name, value] of Object.entries({ ...values, ...keys }))
    await host.writeFile(`/proc/sys/${name}`, `${value}\n`);
  await assert.rejects(checkStart(host, { ...fine, protectKernelDefaults: true }), {
    message: '[invalid kernel flag: kernel/panic, expected value: 10, actual value: 0]',
  });
  await host.writeFile('/proc/sys/kernel/panic', '10\n');
  await checkStart(host, { ...fine, protectKernelDefaults: true });
});
