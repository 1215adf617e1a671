import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { settle, VirtualClock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import { runtimeConformance } from './runtime-conformance.ts';
import { isRuntimeError, RuntimeError } from './runtime-error.ts';
import { type SimulatedRuntimeOptions, simulatedRuntime } from './simulated.ts';

async function advanceUntil(clock: VirtualClock, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let steps = 0; steps < 10_000; steps++) {
    await settle();
    if (await condition()) return;
    await clock.advance(clock.untilNext() ?? 1);
  }
  throw new Error('the condition never came');
}

async function advanceDuring<T>(clock: VirtualClock, operation: Promise<T>): Promise<T> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  operation.then(mark, mark);
  await advanceUntil(clock, () => settled);
  return operation;
}

runtimeConformance('simulated runtime', async () => {
  const clock = new VirtualClock();
  const logDirectory = mkdtempSync(join(tmpdir(), 'k8ts-simulated-'));
  const runtime = simulatedRuntime({ clock, random: seededRandom(1), writesLogs: true });
  await runtime.PullImage({ image: { image: 'k8ts.local/busybox:1' } });
  return {
    runtime,
    image: 'k8ts.local/busybox:1',
    logDirectory,
    cgroupParent: '/kubepods',
    during: operation => advanceDuring(clock, operation),
    until: condition => advanceUntil(clock, condition),
    dispose: async () => rmSync(logDirectory, { recursive: true, force: true }),
  };
});

const start = (options: Partial<SimulatedRuntimeOptions> = {}) => {
  const clock = new VirtualClock();
  return { clock, runtime: simulatedRuntime({ clock, random: seededRandom(7), ...options }) };
};
const sandbox = { metadata: { name: 'p', uid: 'u', namespace: 'd', attempt: 0 } };

test('the same seed gives the same ids and addresses', async () => {
  const ids = async () => {
    const { runtime } = start();
    const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config: sandbox });
    return [id, (await runtime.PodSandboxStatus({ pod_sandbox_id: id })).status?.network?.ip];
  };
  assert.deepEqual(await ids(), await ids());
});

test('behaviour by image: a slow start, then death by memory', async () => {
  const { clock, runtime } = start({ behaviour: () => ({ startDelayMs: 2000, exitAfterMs: 5000, oom: true }) });
  await runtime.PullImage({ image: { image: 'nginx' } });
  const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config: sandbox });
  const { container_id } = await runtime.CreateContainer({
    pod_sandbox_id: id,
    config: { metadata: { name: 'c' }, image: { image: 'docker.io/library/nginx:latest' } },
  });
  const starting = runtime.StartContainer({ container_id });
  const state = async () => (await runtime.ContainerStatus({ container_id })).status!;
  await clock.advance(1999);
  assert.equal((await state()).state, 'CONTAINER_CREATED');
  await clock.advance(1);
  await starting;
  assert.equal((await state()).state, 'CONTAINER_RUNNING');
  await clock.advance(5000);
  const { exit_code: code, reason } = await state();
  assert.deepEqual([code, reason], [137, 'OOMKilled']);
});

test('pulls take their time and fail as told', async () => {
  const error = new RuntimeError('PullImage', 'NotFound', 'failed to pull and unpack image "x": not found');
  const { clock, runtime } = start({ pull: image => (image === 'bad' ? { error } : { delayMs: 100 }) });
  await assert.rejects(runtime.PullImage({ image: { image: 'bad' } }), e => e === error);
  let done = false;
  void runtime.PullImage({ image: { image: 'good' } }).then(() => {
    done = true;
  });
  await clock.advance(99);
  assert.equal(done, false);
  await clock.advance(1);
  assert.equal(done, true);
});

test('addresses follow the pod ranges and are used again last', async () => {
  const { runtime } = start();
  await runtime.UpdateRuntimeConfig({ runtime_config: { network_config: { pod_cidr: '10.1.2.0/29,fd00:1::/64' } } });
  const network = async (attempt: number) => {
    const config = { metadata: { ...sandbox.metadata, attempt } };
    const { pod_sandbox_id: id } = await runtime.RunPodSandbox({ config });
    const found = (await runtime.PodSandboxStatus({ pod_sandbox_id: id })).status?.network;
    await runtime.RemovePodSandbox({ pod_sandbox_id: id });
    return `${found?.ip} ${found?.additional_ips?.[0]?.ip}`;
  };
  const seen = [];
  for (let i = 0; i < 6; i++) seen.push(await network(i));
  assert.deepEqual(seen.slice(0, 2), ['10.1.2.2 fd00:1::2', '10.1.2.3 fd00:1::3']);
  assert.equal(seen[5], seen[0]);
});

test('what a simulation cannot do is unimplemented', async () => {
  const { runtime } = start();
  await assert.rejects(runtime.Exec({ container_id: 'x' }), e => isRuntimeError(e, 'Unimplemented'));
});
