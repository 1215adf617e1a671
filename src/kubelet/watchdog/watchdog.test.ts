import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { createWatchdog, watchdogSettings } from './watchdog.ts';

const self = { pid: 100, ppid: 99 };

test('only a process that the service manager watches is watched', () => {
  const timeoutOf = (env: NodeJS.ProcessEnv) => watchdogSettings(env, self)?.timeoutMs;
  assert.equal(watchdogSettings({ WATCHDOG_USEC: '30000000' }, self), undefined);
  const env = { NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '30000000' };
  assert.deepEqual(
    ['', '100', '99', '7'].map(pid => timeoutOf(pid ? { ...env, WATCHDOG_PID: pid } : env)),
    [30_000, 30_000, 30_000, undefined],
  );
  assert.deepEqual(
    ['0', 'x'].map(WATCHDOG_USEC => timeoutOf({ ...env, WATCHDOG_USEC })),
    [undefined, undefined],
  );
});

test('the service manager hears twice in its time that all is well, and nothing while it is not', async () => {
  const clock = new VirtualClock();
  const told: string[] = [];
  const lines: string[] = [];
  let wrong: string[] = [];
  const run = async (timeoutMs: number | undefined, forMs: number) => {
    const stop = new AbortController();
    const running = createWatchdog({
      ...{ timeoutMs, clock, ready: async () => {}, problems: () => wrong },
      log: createLog('kubelet', { clock, write: line => lines.push(line) }),
      notify: async state => void told.push(state),
    }).run(stop.signal);
    await clock.advance(forMs);
    stop.abort();
    await running;
    return told.splice(0);
  };
  assert.deepEqual(await run(10_000, 12_000), ['READY=1', 'WATCHDOG=1', 'WATCHDOG=1']);
  wrong = ['PLEG is not healthy'];
  assert.deepEqual(await run(10_000, 12_000), ['READY=1']);
  assert.match(lines.at(-1)!, /not told that it lives wrong=\["PLEG is not healthy"\]/);
  wrong = [];
  assert.deepEqual(await run(1000, 12_000), ['READY=1']);
  assert.match(lines.at(-1)!, /configure watchdog timeout too small/);
  assert.deepEqual(await run(undefined, 12_000), ['READY=1']);
});
