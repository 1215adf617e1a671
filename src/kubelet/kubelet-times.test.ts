// What a kubelet tells of the work it does for one pod: names, labels and values.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noCgroups } from './cgroup.ts';
import { startTestNode } from './test-node.ts';

test('tells how long pods, volumes, cgroups, relists and statuses take', async () => {
  const t = await startTestNode({ cgroups: { ...noCgroups } });
  try {
    const volumes = [{ name: 'scratch', emptyDir: {} }];
    const volumeMounts = [{ name: 'scratch', mountPath: '/scratch' }];
    const containers = [{ name: 'app', image: 'example.com/app:1', volumeMounts }];
    await t.createPod({ metadata: { name: 'web' }, spec: { containers, volumes } });
    await t.pass(30_000);
    const running = await t.kubelet.metrics.own.text();
    for (const line of [
      'kubelet_pod_start_duration_seconds_bucket{le="0.5"} 1',
      'kubelet_pod_start_sli_duration_seconds_count 1',
      'kubelet_pod_worker_start_duration_seconds_count 1',
      'kubelet_pod_worker_duration_seconds_count{operation_type="create"} 1',
      'kubelet_pod_worker_duration_seconds_bucket{operation_type="sync",le="0.005"} ',
      'kubelet_pleg_relist_duration_seconds_bucket{le="0.005"} ',
      'kubelet_pleg_relist_interval_seconds_bucket{le="10"} ',
      'kubelet_pleg_last_seen_seconds ',
      'kubelet_pod_status_sync_duration_seconds_bucket{le="0.01"} ',
      'kubelet_cgroup_manager_duration_seconds_count{operation_type="create"} 1',
      'storage_operation_duration_seconds_count{migrated="false",operation_name="volume_mount",status="success",volume_plugin="kubernetes.io/empty-dir"} 1',
      'volume_manager_total_volumes{plugin_name="kubernetes.io/empty-dir",state="actual_state_of_world"} 1',
      'volume_manager_total_volumes{plugin_name="kubernetes.io/empty-dir",state="desired_state_of_world"} 1',
      'kubelet_run_podsandbox_duration_seconds_count{runtime_handler=""} 1',
    ])
      assert.ok(running.includes(`\n${line}`), `${line}\n${running}`);
    await t.deletePod('web');
    await t.pass(40_000);
    const after = await t.kubelet.metrics.own.text();
    assert.match(after, /\nkubelet_pod_worker_duration_seconds_count\{operation_type="kill"\} [1-9]/);
    assert.match(after, /\nkubelet_cgroup_manager_duration_seconds_count\{operation_type="destroy"\} [1-9]/);
    assert.doesNotMatch(after, /\nvolume_manager_total_volumes\{/);
  } finally {
    await t.stop();
  }
});

test('a claim is found by where its volume lies, for as long as it is set up', async () => {
  const t = await startTestNode();
  try {
    const { times } = t.kubelet.metrics;
    const plugin = times.timedVolumes({
      name: 'kubernetes.io/persistent-volume-claim',
      canHandle: () => true,
      setUp: async () => ({ path: '/mnt/data' }),
    });
    assert.equal(plugin.canHandle({ name: 'v' }), true);
    const pod = { metadata: { name: 'p', namespace: 'a', uid: 'u' }, spec: { containers: [] } };
    const volume = { name: 'v', persistentVolumeClaim: { claimName: 'data' } };
    await plugin.setUp(pod as never, volume, '/var/lib/kubelet/pods/u/volumes/x/v');
    assert.partialDeepStrictEqual(times.claims(), [{ namespace: 'a', claim: 'data', path: '/mnt/data' }]);
    times.gone('other');
    assert.equal(times.claims().length, 1);
    times.gone('u');
    assert.deepEqual(times.claims(), []);
  } finally {
    await t.stop();
  }
});
