import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import { allControllers } from '../../controllers/index.ts';
import { addControllerFlags, tuningOf } from './controller-flags.ts';

const tuning = (...args: string[]) => {
  const command = addControllerFlags(new Command().exitOverride());
  command.parse(args, { from: 'user' });
  return tuningOf(command.opts());
};

test('flags tune the controllers they name', () => {
  assert.deepEqual(tuning(), {});
  assert.deepEqual(
    tuning(
      '--node-monitor-grace-period=1m10s',
      '--node-eviction-rate=0.5',
      '--terminated-pod-gc-threshold=7',
      '--horizontal-pod-autoscaler-initial-readiness-delay=5s',
      '--horizontal-pod-autoscaler-cpu-initialization-period=1m',
      '--horizontal-pod-autoscaler-tolerance=0.2',
      '--service-cluster-ip-range=10.0.0.0/24,fd00::/112',
      '--node-cidr-mask-size-ipv4=25',
      '--cluster-signing-duration=1h',
      '--disable-force-detach-on-timeout',
    ),
    {
      nodeLifecycle: { graceMs: 70_000, evictionQps: 0.5 },
      podGc: { terminatedThreshold: 7 },
      autoscaler: { delays: { initialReadinessMs: 5000, cpuInitializationMs: 60_000 }, tolerance: 0.2 },
      nodeCidrs: { serviceCidrs: ['10.0.0.0/24', 'fd00::/112'], maskIpv4: 25 },
      signingTtlMs: 3_600_000,
      attachDetach: { maxWaitForUnmountMs: undefined },
    },
  );
});

test('what cannot be meant is told', () => {
  assert.throws(
    () => tuning('--node-monitor-period=5'),
    /invalid argument "5" for "--node-monitor-period" flag: time: missing unit in duration "5"/,
  );
  assert.throws(() => tuning('--max-endpoints-per-slice=1.5'), /invalid argument "1.5" for .*: want a whole number/);
  assert.throws(() => tuning('--node-eviction-rate=fast'), /invalid argument "fast" for .*: want a number/);
});

test('the controllers take what is tuned', () => {
  const made = (flag: string) => () =>
    allControllers({ clusterCa: '', podCidr: '10.0.0.0/16', tuning: tuning(flag) }).map(c => c.name);
  assert.ok(made('--node-cidr-mask-size-ipv4=20')().includes('node-ipam-controller'));
  assert.throws(made('--node-cidr-mask-size-ipv4=8'), /mask|size/i);
});
