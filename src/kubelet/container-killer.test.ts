import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Pod } from '../api/type/core-v1.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import { ContainerKiller } from './container-killer.ts';
import type { ObservedContainer } from './kernel/observed.ts';
import type { PodEvents } from './pod-event.ts';
import { agreeableNetwork } from './probe/network.ts';

test('a container whose preStop hook has run is not kept as long as what could have cut it short', async () => {
  const calls: string[] = [];
  const answering = (call: string) => async () => {
    calls.push(call);
    return {};
  };
  const runtime = { ExecSync: answering('hook'), StopContainer: answering('stop') } as unknown as ContainerRuntime;
  const events = { container() {} } as unknown as PodEvents;
  const shared = { runtime, clock: systemClock, events };
  const killer = new ContainerKiller({ ...shared, log: silentLog, hooks: { ...shared, network: agreeableNetwork } });
  const lives = new AbortController();
  const kill = async (): Promise<WeakRef<ObservedContainer>> => {
    const preStop = { exec: { command: ['true'] } };
    const pod = { metadata: {}, spec: { containers: [{ name: 'app', lifecycle: { preStop } }] }, status: {} };
    const observed = { id: 'c', name: 'app', state: 'running' } as unknown as ObservedContainer;
    const request = { pod: pod as unknown as Pod, observed, podIp: '', reason: 'pod' as const, signal: lives.signal };
    await killer.kill({ ...request, graceSeconds: 5 });
    return new WeakRef(observed);
  };
  const killed = await kill();
  assert.deepEqual(calls, ['hook', 'stop']);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) {
    await new Promise(resolve => setImmediate(resolve));
    collect();
  }
  assert.equal(killed.deref(), undefined);
  assert.equal(lives.signal.aborted, false);
});
