import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle, VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createServiceRoute } from './service-route.ts';

test('the route to services is set where none leads there, and again once it is gone', async () => {
  const clock = new VirtualClock();
  let leads = false;
  let refused = 1;
  const set: string[] = [];
  const exec = async (_: string, [, verb, ...rest]: readonly string[]) => {
    if (verb === 'get' && !leads) throw new Error('Network is unreachable');
    if (verb === 'get') return '';
    if (refused-- > 0) throw new Error('Device for nexthop is not up.');
    set.push(rest.join(' '));
    leads = true;
    return '';
  };
  const ending = new AbortController();
  const options = { serviceCidr: '10.96.0.0/12', link: 'eth0', nodeAddress: '10.8.0.10', clock, log: silentLog, exec };
  const running = createServiceRoute(options).run(ending.signal);
  const route = '10.96.0.0/12 dev eth0 scope link src 10.8.0.10 proto 107';
  await settle();
  assert.deepEqual(set, []);
  await clock.advance(5_000);
  assert.deepEqual(set.splice(0), [route], 'tried again after five seconds');
  await clock.advance(60_000);
  assert.deepEqual(set, [], 'it is there');
  leads = false;
  await clock.advance(120_000);
  assert.deepEqual(set, [route], 'a link down and up');
  ending.abort();
  await running;
});
