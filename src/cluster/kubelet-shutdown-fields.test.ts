import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kubeletSettings } from './kubelet-configuration.ts';

const head = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' };
const groups = (given: object) => kubeletSettings({ ...head, ...given }).options.shutdown?.groups;

const noShutdown = {
  GracefulNodeShutdown: false,
  GracefulNodeShutdownBasedOnPodPriority: false,
  WindowsGracefulNodeShutdown: false,
};

test('pods end in one way or the other, or not at all', () => {
  assert.equal(groups({ shutdownGracePeriod: '0s', shutdownGracePeriodCriticalPods: '0s' }), undefined);
  assert.deepEqual(groups({ shutdownGracePeriod: '30s', shutdownGracePeriodCriticalPods: '10s' }), [
    { priority: 0, seconds: 20 },
    { priority: 2_000_000_000, seconds: 10 },
  ]);
  const byPriority = [{ priority: 1000, shutdownGracePeriodSeconds: 20 }, { shutdownGracePeriodSeconds: 5 }];
  assert.deepEqual(groups({ shutdownGracePeriodByPodPriority: byPriority }), [
    { priority: 1000, seconds: 20 },
    { priority: 0, seconds: 5 },
  ]);
  const cases: [object, RegExp][] = [
    [
      { shutdownGracePeriod: '10s', shutdownGracePeriodCriticalPods: '20s' },
      /CriticalPods \(20s\) must be <= shutdownGracePeriod/,
    ],
    [{ shutdownGracePeriod: '500ms' }, /^shutdownGracePeriod: .* must be either zero or otherwise >= 1 sec$/],
    [{ shutdownGracePeriod: '10s', shutdownGracePeriodByPodPriority: byPriority }, /Cannot specify both/],
    [{ shutdownGracePeriod: '10s', featureGates: noShutdown }, /requires feature gate GracefulNodeShutdown$/],
    [
      { shutdownGracePeriodByPodPriority: [{ priority: 'high' }] },
      /^shutdownGracePeriodByPodPriority\[0\]\.priority: /,
    ],
  ];
  for (const [given, message] of cases) assert.throws(() => groups(given), { message }, JSON.stringify(given));
});
