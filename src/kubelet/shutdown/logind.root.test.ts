// The machine's own systemd-logind, where there is one.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { logind } from './logind.ts';

const source = logind();
const delayMs = await source.maxDelayMs().catch(() => undefined);
const skip = delayMs === undefined && 'no systemd-logind here';

test('a lock is held until it is released; nobody else is believed about the end of the machine', {
  skip,
}, async () => {
  assert.ok(delayMs! > 0);
  const locks = () => execFileSync('systemd-inhibit', ['--list', '--no-legend', '--no-pager'], { encoding: 'utf8' });
  const before = locks().split('Kubelet needs time').length;
  const lock = await source.hold();
  assert.equal(locks().split('Kubelet needs time').length, before + 1);
  const told: boolean[] = [];
  const stop = new AbortController();
  const watched = source.watch(begins => told.push(begins), stop.signal);
  await systemClock.sleep(500);
  const spoof = ['--system', 'emit', '/org/freedesktop/login1', 'org.freedesktop.login1.Manager', 'PrepareForShutdown'];
  execFileSync('busctl', [...spoof, 'b', 'true']);
  await systemClock.sleep(500);
  stop.abort();
  await watched;
  assert.deepEqual(told, []);
  lock.release();
  await lock.ended;
  for (let i = 0; i < 50 && locks().split('Kubelet needs time').length > before; i++) await systemClock.sleep(20);
  assert.equal(locks().split('Kubelet needs time').length, before);
});
