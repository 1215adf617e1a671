// A kubelet whose machine is to end.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { aborted } from '../../base/lifecycle.ts';
import { createLog } from '../../base/log.ts';
import { startTestNode, type TestNode } from '../test-node.ts';
import { groupsOfPeriods } from './kernel/shutdown-plan.ts';
import type { ShutdownSource } from './shutdown-source.ts';

let node: TestNode;
afterEach(() => node.stop());

/** A machine that waits as long as it is told, up to `mostMs`. */
function testSource(maxMs = 60_000, mostMs = Number.POSITIVE_INFINITY) {
  const calls: string[] = [];
  let max = maxMs;
  let tell: (begins: boolean) => void = () => {};
  let ended = Promise.withResolvers<void>();
  const source: ShutdownSource = {
    maxDelayMs: async () => max,
    async raiseMaxDelay(ms) {
      calls.push(`raise ${ms}`);
      max = Math.min(ms, mostMs);
    },
    async hold() {
      calls.push('hold');
      ended = Promise.withResolvers<void>();
      const { promise, resolve } = ended;
      const release = () => {
        calls.push('release');
        resolve();
      };
      return { release, ended: promise };
    },
    async watch(onShutdown, signal) {
      tell = onShutdown;
      await aborted(signal);
    },
  };
  return { source, calls, tell: (begins: boolean) => tell(begins), lose: () => ended.resolve() };
}

const podOf = (name: string, spec: object = {}): Draft<Pod> =>
  ({ metadata: { name }, spec: { containers: [{ name, image: 'i' }], ...spec } }) as Draft<Pod>;
const status = async (name: string) => (await node.getPod(name)).status!;
const ready = () =>
  node.client.object(coreV1.nodes, { name: 'node-a' })!.status!.conditions!.find(c => c.type === 'Ready')!;
const metric = async (name: string) =>
  Number(
    (await node.kubelet.metrics.own.text())
      .split('\n')
      .find(line => line.startsWith(name))
      ?.split(' ')
      .at(-1),
  );

test('pods end in their order before the machine does, and no others begin', async () => {
  const machine = testSource();
  const simulate = { behaviour: () => ({ stopDelayMs: 5000 }) };
  node = await startTestNode({
    shutdown: { groups: groupsOfPeriods(30, 10), source: machine.source },
    simulate,
  } as never);
  await node.createPod(podOf('normal'));
  await node.createPod(podOf('critical', { priority: 2_000_000_000 }));
  assert.deepEqual(machine.calls, ['hold']);
  machine.tell(true);
  await node.pass(50);
  assert.deepEqual(
    [ready().status, ready().reason, ready().message],
    ['False', 'KubeletNotReady', 'node is shutting down'],
  );
  assert.ok((await node.events('node-a')).includes('Shutdown: Shutdown manager detected shutdown event'));
  await node.pass(4000);
  assert.deepEqual([(await status('normal')).phase, (await status('critical')).phase], ['Running', 'Running']);
  await node.createPod(podOf('late'));
  const { reason, message } = await status('late');
  assert.deepEqual(
    [reason, message],
    ['NodeShutdown', 'Pod was rejected: Pod was rejected as the node is shutting down.'],
  );
  await node.pass(3000);
  assert.deepEqual([(await status('normal')).phase, (await status('critical')).phase], ['Failed', 'Running']);
  await node.pass(10_000);
  for (const name of ['normal', 'critical']) {
    const ended = await status(name);
    const text = 'Pod was terminated in response to imminent node shutdown.';
    assert.deepEqual([ended.phase, ended.reason, ended.message], ['Failed', 'Terminated', text]);
    const condition = ended.conditions!.find(c => c.type === 'DisruptionTarget')!;
    assert.deepEqual([condition.reason, condition.message], ['TerminationByKubelet', text]);
  }
  assert.deepEqual(machine.calls, ['hold', 'release']);
  const started = await metric('kubelet_graceful_shutdown_start_time_seconds');
  assert.ok(started > 0 && (await metric('kubelet_graceful_shutdown_end_time_seconds')) >= started);
  assert.ok(await node.host.readFile('/var/lib/kubelet/graceful_node_shutdown_state'));
});

test('a machine that goes on after all is held again, and its node ready', async () => {
  const machine = testSource();
  node = await startTestNode({ shutdown: { groups: groupsOfPeriods(30, 10), source: machine.source } });
  await node.createPod(podOf('one'));
  machine.tell(true);
  await node.pass(40_000);
  machine.tell(false);
  await node.pass(1000);
  assert.equal(ready().status, 'True');
  assert.deepEqual(machine.calls, ['hold', 'release', 'hold']);
  await node.createPod(podOf('two'));
  assert.equal((await status('two')).phase, 'Running');
  machine.lose();
  await node.pass(3000);
  assert.deepEqual(machine.calls.slice(3), ['release', 'hold']);
});

test('the machine is asked to wait long enough; where it does not, the log says so', async () => {
  const machine = testSource(5000);
  node = await startTestNode({ shutdown: { groups: groupsOfPeriods(30, 10), source: machine.source } });
  await node.pass(1000);
  assert.deepEqual(machine.calls, ['raise 30000', 'hold']);
  await node.stop();
  const stubborn = testSource(5000, 6000);
  const lines: string[] = [];
  const log = createLog('kubelet', { clock: new VirtualClock(), write: line => lines.push(line) });
  node = await startTestNode({ shutdown: { groups: groupsOfPeriods(30, 10), source: stubborn.source }, log });
  await node.pass(10_000);
  assert.deepEqual(stubborn.calls, ['raise 30000']);
  assert.match(
    lines.join('\n'),
    /unable to update logind InhibitDelayMaxSec to 30s \(ShutdownGracePeriod\), current value of InhibitDelayMaxSec \(6s\) is less/,
  );
});
