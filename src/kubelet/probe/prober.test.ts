import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import { agreeableNetwork } from './network.ts';
import { Prober } from './prober.ts';

test('a probe that comes to no result is tried three times', async () => {
  let broken = 0;
  let calls = 0;
  const runtime = {
    async ExecSync() {
      calls++;
      if (broken-- > 0) throw new RuntimeError('ExecSync', 'Unavailable', 'busy');
      return { exit_code: 1 };
    },
  } as unknown as ContainerRuntime;
  const prober = new Prober(runtime, agreeableNetwork);
  const target = { container: { name: 'c' }, containerId: 'id', podIp: '' };
  const results: [string, number][] = [];
  for (broken of [0, 2, 3]) {
    calls = 0;
    const { result } = await prober.probe({ exec: { command: ['true'] } }, target);
    results.push([result, calls]);
  }
  assert.deepEqual(results, [
    ['failure', 1],
    ['failure', 3],
    ['error', 3],
  ]);
});
