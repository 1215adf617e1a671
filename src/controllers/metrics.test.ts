// Metrics have the names that Kubernetes documents; dashboards ask for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { createLog } from '../base/log.ts';
import { createMetrics } from '../base/metrics.ts';
import { seededRandom } from '../base/random.ts';
import { fakeClient } from '../client/fake-client.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { runControllers } from '../engine/engine.ts';
import { attachDetachController } from './attachdetach/attach-detach.ts';
import { cronJobController } from './cronjob/cronjob.ts';
import { endpointSliceController } from './endpointslice/endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring/endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume/ephemeral-volume.ts';
import { jobController } from './job/job.ts';
import { nodeIpamController } from './nodeipam/node-ipam.ts';
import { nodeLifecycleController } from './nodelifecycle/node-lifecycle.ts';
import { volumeBinderController } from './persistentvolume-binder/persistentvolume-binder.ts';
import { podGcController } from './podgc/pod-gc.ts';
import { replicaSetController } from './replicaset/replicaset.ts';
import { resourceClaimController } from './resourceclaim/resourceclaim.ts';
import { rootCaController } from './root-ca/root-ca.ts';
import { taintEvictionController } from './tainteviction/taint-eviction.ts';
import { testNode } from './test-nodes.ts';

const job = (name: string, more: object = {}) => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name, namespace: 'a', uid: name },
  spec: {
    completions: 1,
    parallelism: 1,
    backoffLimit: 6,
    selector: { matchLabels: { job: name } },
    template: { metadata: { labels: { job: name } }, spec: { containers: [] } },
    ...more,
  },
});
const pod = (name: string, more: object = {}, spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'a', uid: name, ...more },
  spec: { containers: [], ...spec },
});
const deletionTimestamp = '2026-01-01T00:00:00Z';

test('metrics are named as documented', async () => {
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:50Z'));
  const random = seededRandom(1);
  const ended = pod('ended', {
    labels: { job: 'j' },
    finalizers: ['batch.kubernetes.io/job-tracking'],
    ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: 'j', controller: true }],
  });
  const tainted = { ...testNode('t'), spec: { taints: [{ key: 'x', effect: 'NoExecute' }] } };
  const objects = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a' }, status: { phase: 'Active' } },
    testNode('n'),
    tainted,
    { ...ended, status: { phase: 'Succeeded' } },
    job('j'),
    job('k', { managedBy: 'e.com/other' }),
    pod('lost', { deletionTimestamp }),
    pod('evicted', {}, { nodeName: 't' }),
    pod('scratch', {}, { volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate: { spec: {} } } }] }),
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: { name: 'r', namespace: 'a', uid: 'r' },
      spec: { replicas: 1, selector: { matchLabels: { set: 'r' } }, template: {} },
    },
    ...['2025-12-31T23:57:30Z', '2025-12-31T23:59:10Z', '2026-01-01T00:00:10Z'].map((creationTimestamp, i) => ({
      ...pod(`r${i}`, {
        ...{ creationTimestamp, labels: { set: 'r' } },
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'r', uid: 'r', controller: true }],
      }),
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    })),
    job('ix', {
      completionMode: 'Indexed',
      backoffLimitPerIndex: 0,
      podFailurePolicy: { rules: [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [3] } }] },
    }),
    {
      ...pod('ix0', {
        labels: { job: 'ix' },
        annotations: { 'batch.kubernetes.io/job-completion-index': '0' },
        finalizers: ['batch.kubernetes.io/job-tracking'],
        ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name: 'ix', uid: 'ix', controller: true }],
      }),
      status: { phase: 'Failed', containerStatuses: [{ name: 'c', state: { terminated: { exitCode: 3 } } }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's', namespace: 'a', uid: 's' },
      spec: { selector: { set: 'r' }, ports: [{ port: 80 }], ipFamilies: ['IPv4'], clusterIP: '10.96.0.1' },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'm', namespace: 'a', uid: 'm' },
      spec: { ports: [{ port: 80 }], ipFamilies: ['IPv4'], clusterIP: '10.96.0.2' },
    },
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name: 'm', namespace: 'a', uid: 'e' },
      subsets: [{ addresses: [{ ip: '192.0.2.1' }, { ip: '192.0.2.2' }], ports: [{ port: 80 }] }],
    },
    {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'VolumeAttachment',
      metadata: { name: 'at', uid: 'at' },
      spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'v' } },
      status: { attached: true },
    },
    {
      apiVersion: 'resource.k8s.io/v1',
      kind: 'ResourceClaim',
      metadata: { name: 'rc', namespace: 'a', uid: 'rc' },
      spec: { devices: { requests: [{ name: 'r', exactly: { deviceClassName: 'x', adminAccess: true } }] } },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: { name: 'v' },
      spec: { csi: { driver: 'd', volumeHandle: 'h' }, storageClassName: 's' },
    },
    {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'c', namespace: 'a', uid: 'c', creationTimestamp: deletionTimestamp },
      spec: { schedule: '* * * * *', jobTemplate: { spec: { template: { spec: {} } } } },
    },
  ];
  const client = fakeClient(objects as object[] as [], { clock, random });
  const metrics = createMetrics();
  const log = createLog('test', { clock, level: 'error', write: () => {} });
  const informers = createInformerFactory(client, { clock, random, log });
  const abort = new AbortController();
  const controllers = [
    jobController(),
    cronJobController(),
    podGcController(),
    nodeLifecycleController(),
    taintEvictionController(),
    ephemeralVolumeController(),
    rootCaController('ca'),
    volumeBinderController(),
    replicaSetController(),
    endpointSliceController(),
    endpointSliceMirroringController(),
    nodeIpamController({ podCidr: '10.244.0.0/16' }),
    resourceClaimController(),
    attachDetachController(),
  ];
  const running = runControllers(controllers, { client, informers, clock, random, log, metrics }, abort.signal);
  const feeding = informers.run(abort.signal);
  await clock.advance(60_000);
  const text = await metrics.text();
  abort.abort();
  await Promise.all([running, feeding]);
  assert.doesNotMatch(await metrics.text(), /^pv_collector_total_pv_count\{/m, 'who leads no longer counts no more');
  for (const line of [
    'job_controller_job_syncs_total{completion_mode="NonIndexed",result="success",action="reconciling"} ',
    'job_controller_job_sync_duration_seconds_count{completion_mode="NonIndexed",result="success",action="reconciling"} ',
    'job_controller_jobs_finished_total{completion_mode="NonIndexed",result="succeeded",reason="CompletionsReached"} 1',
    'job_controller_job_pods_finished_total{completion_mode="NonIndexed",result="succeeded"} 1',
    'job_controller_jobs_by_external_controller_total{controller_name="e.com/other"} 1',
    'cronjob_controller_job_creation_skew_duration_seconds_count 1',
    'pod_gc_collector_force_delete_pods_total{namespace="a",reason="unscheduled"} ',
    'node_collector_zone_size{zone=""} 2',
    'node_collector_zone_health{zone=""} 0',
    'node_collector_unhealthy_nodes_in_zone{zone=""} 2',
    'node_collector_update_all_nodes_health_duration_seconds_count ',
    'taint_eviction_controller_pod_deletions_total 1',
    'taint_eviction_controller_pod_deletion_duration_seconds_count 1',
    'ephemeral_volume_controller_create_total 1',
    'root_ca_cert_publisher_sync_total{code="200"} ',
    'pv_collector_unbound_pv_count{storage_class="s"} 1',
    'pv_collector_total_pv_count{plugin_name="kubernetes.io/csi:d",volume_mode="Filesystem"} 1',
    'pv_collector_unbound_pvc_count{namespace="a",storage_class="",volume_attributes_class=""} 1',
    'replicaset_controller_sorting_deletion_age_ratio_count 2',
    // The youngest and the next, which is 2.5 times as old.
    'replicaset_controller_sorting_deletion_age_ratio_sum 3.5',
    'endpoint_slice_controller_changes{operation="create"} 1',
    'endpoint_slice_controller_num_endpoint_slices 1',
    'endpoint_slice_controller_desired_endpoint_slices 1',
    'endpoint_slice_controller_endpoints_desired ',
    'endpoint_slice_controller_endpoints_added_per_sync_bucket{le="2"} ',
    'endpoint_slice_controller_endpoints_removed_per_sync_count ',
    'endpoint_slice_controller_endpointslices_changed_per_sync_count{topology="Disabled",traffic_distribution=""} ',
    'endpoint_slice_mirroring_controller_changes{operation="create"} 1',
    'endpoint_slice_mirroring_controller_endpoints_added_per_sync_sum 2',
    'endpoint_slice_mirroring_controller_endpoints_updated_per_sync_count ',
    'endpoint_slice_mirroring_controller_addresses_skipped_per_sync_count ',
    'endpoint_slice_mirroring_controller_endpoints_sync_duration_bucket{le="0.001"} ',
    'endpoint_slice_mirroring_controller_endpoints_desired 2',
    'node_ipam_controller_cidrset_cidrs_allocations_total{clusterCIDR="10.244.0.0/16"} 2',
    'node_ipam_controller_cidrset_cidrs_releases_total{clusterCIDR="10.244.0.0/16"} 0',
    'node_ipam_controller_cidrset_usage_cidrs{clusterCIDR="10.244.0.0/16"} 0.0078125',
    'node_ipam_controller_cirdset_max_cidrs{clusterCIDR="10.244.0.0/16"} 256',
    'node_collector_update_node_health_duration_seconds_bucket{le="0.001"} ',
    'job_controller_job_pods_creation_total{reason="new",status="failed"} ',
    'job_controller_pod_failures_handled_by_failure_policy_total{action="FailIndex"} 1',
    'job_controller_terminated_pods_tracking_finalizer_total{event="add"} 2',
    'job_controller_terminated_pods_tracking_finalizer_total{event="delete"} 2',
    'job_controller_job_finished_indexes_total{status="failed",backoffLimit="perIndex"} 1',
    'resourceclaim_controller_resource_claims{allocated="false",admin_access="true",source=""} 1',
    '# TYPE resourceclaim_controller_creates_total counter',
    'attachdetach_controller_total_volumes{plugin_name="kubernetes.io/csi:d",state="actual_state_of_world"} ',
    'storage_count_attachable_volumes_in_use{node="n",volume_plugin="kubernetes.io/csi:d"} ',
    'running_managed_controllers{name="job-controller",manager="kube-controller-manager"} 1',
    'workqueue_adds_total{name="job"} ',
  ])
    assert.ok(
      text.includes(`\n${line}`),
      `${line}\n${text.split('\n').filter(l => l.startsWith(line.split('{')[0]!))}`,
    );
});
