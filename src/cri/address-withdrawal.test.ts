import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { AddressWithdrawal } from './address-withdrawal.ts';

test('addresses of pods that have gone are told to be free together, but for those that are given again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-withdrawal-'));
  try {
    const leases = join(directory, 'leases', 'net');
    mkdirSync(leases, { recursive: true });
    const clock = new VirtualClock();
    const ran: string[][] = [];
    const withdrawal = new AddressWithdrawal({
      ...{ network: { name: 'net', leaseDir: join(directory, 'leases') }, cacheDir: directory, clock, log: silentLog },
      run: async (program, args) => {
        ran.push([program, ...args]);
        return '';
      },
    });
    const interfaces = [
      { name: 'cni0', mac: '02:00:00:00:00:01' },
      { name: 'veth1', mac: '02:00:00:00:00:02' },
      { name: 'eth0', mac: '02:00:00:00:00:03', sandbox: '/run/netns/x' },
    ];
    const result = (...addresses: string[]) => ({ interfaces, ips: addresses.map(address => ({ address })) });
    writeFileSync(join(directory, 'net-s1-eth0'), JSON.stringify({ result: result('10.244.0.2/24', 'fd00::2/64') }));
    assert.equal(await withdrawal.attachment('on-the-host'), undefined);
    withdrawal.withdraw((await withdrawal.attachment('s1'))!);
    await clock.advance(50);
    for (const n of [3, 4]) withdrawal.withdraw(result(`10.244.0.${n}/24`));
    writeFileSync(join(leases, '10.244.0.4'), 'another');
    await clock.advance(50);
    const [[program, , , , ...rest] = [], ...more] = ran.splice(0);
    assert.deepEqual([program, more], ['sh', []]);
    assert.deepEqual(rest, [
      'cni0',
      ...['addr add 10.244.0.2/32 dev cni0', 'addr add fd00::2/128 dev cni0 nodad', 'addr add 10.244.0.3/32 dev cni0'],
      'link set cni0 address 02:00:00:00:00:01',
      ...['addr del 10.244.0.2/32 dev cni0', 'addr del fd00::2/128 dev cni0', 'addr del 10.244.0.3/32 dev cni0'],
    ]);
    withdrawal.withdraw(result('10.244.0.4/24'));
    await clock.advance(1_000);
    withdrawal.withdraw(result('10.244.0.5/24'));
    withdrawal.stop();
    await clock.advance(1_000);
    assert.deepEqual(ran, []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
