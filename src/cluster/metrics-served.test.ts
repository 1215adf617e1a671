// What /metrics of a small cluster serves: names, types, labels and buckets that dashboards and alerts are written for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, batchV1, coreV1 } from '../api/refs.ts';
import { createCluster, simulated, virtualClock } from './create-cluster.ts';

/** `type name {labels} first..last bucket, how many`; `{-}`: nothing to count has happened, the name is there. */
const expected = `
histogram apiserver_admission_controller_admission_duration_seconds {name,operation,rejected,type} 0.005..2.5 6
histogram apiserver_admission_step_admission_duration_seconds {operation,rejected,type} 0.005..2.5 6
histogram apiserver_cel_compilation_duration_seconds {} 0.005..10 11
histogram apiserver_cel_evaluation_duration_seconds {} 0.005..10 11
histogram apiserver_client_certificate_expiration_seconds {} 0..3.1104e+07 14
gauge apiserver_current_inflight_requests {request_kind}
gauge apiserver_longrunning_requests {-}
counter apiserver_request_aborts_total {-}
histogram apiserver_request_duration_seconds {-}
histogram apiserver_request_filter_duration_seconds {filter} 0.0001..30 13
histogram apiserver_request_sli_duration_seconds {-}
counter apiserver_request_terminations_total {-}
counter apiserver_request_total {-}
gauge apiserver_requested_deprecated_apis {-}
histogram apiserver_response_sizes {-}
gauge apiserver_storage_objects {resource}
counter aggregator_discovery_aggregation_count_total {}
gauge aggregator_unavailable_apiservice {name}
counter aggregator_unavailable_apiservice_total {-}
histogram etcd_request_duration_seconds {group,operation,resource} 0.005..60 23
histogram field_validation_request_duration_seconds {-}
histogram node_authorizer_graph_actions_duration_seconds {operation} 0.0001..0.2048 12
gauge kubernetes_build_info {build_date,compiler,git_commit,git_tree_state,git_version,go_version,major,minor,platform}
gauge kubernetes_feature_enabled {name,stage}
counter registered_metrics_total {deprecated_version,stability_level}
counter process_cpu_seconds_total {}
gauge process_resident_memory_bytes {}
gauge go_goroutines {}
counter rest_client_requests_total {-}
histogram rest_client_request_duration_seconds {-}
counter workqueue_adds_total {name}
gauge workqueue_depth {name}
histogram workqueue_queue_duration_seconds {name} 1e-08..1000 12
histogram workqueue_work_duration_seconds {name} 1e-08..1000 12
counter workqueue_retries_total {-}
gauge running_managed_controllers {manager,name}
histogram cronjob_controller_job_creation_skew_duration_seconds {} 1..512 10
counter daemonset_controller_stale_sync_skips_total {-}
counter job_controller_stale_sync_skips_total {-}
counter replicaset_controller_stale_sync_skips_total {-}
counter statefulset_controller_stale_sync_skips_total {-}
counter endpoint_slice_controller_changes {operation}
gauge endpoint_slice_controller_desired_endpoint_slices {}
histogram endpoint_slice_controller_endpoints_added_per_sync {} 2..32768 15
histogram endpoint_slice_controller_endpointslices_changed_per_sync {topology,traffic_distribution} 0.005..10 11
gauge endpoint_slice_controller_num_endpoint_slices {}
counter endpoint_slice_controller_syncs {result}
histogram endpoint_slice_mirroring_controller_endpoints_sync_duration {} 0.001..16.384 15
counter garbagecollector_controller_resources_sync_error_total {}
counter job_controller_job_pods_creation_total {reason,status}
histogram job_controller_job_sync_duration_seconds {action,completion_mode,result} 0.004..65.536 15
counter job_controller_job_syncs_total {action,completion_mode,result}
counter node_collector_evictions_total {-}
gauge node_collector_unhealthy_nodes_in_zone {zone}
histogram node_collector_update_all_nodes_health_duration_seconds {} 0.01..163.84 8
histogram node_collector_update_node_health_duration_seconds {} 0.001..16.384 8
gauge node_collector_zone_health {zone}
gauge node_collector_zone_size {zone}
counter node_ipam_controller_cidrset_cidrs_allocations_total {clusterCIDR}
gauge node_ipam_controller_cidrset_usage_cidrs {clusterCIDR}
gauge node_ipam_controller_cirdset_max_cidrs {clusterCIDR}
gauge pv_collector_total_pv_count {-}
histogram replicaset_controller_sorting_deletion_age_ratio {} 0.25..8 6
gauge resourceclaim_controller_resource_claims {-}
histogram root_ca_cert_publisher_sync_duration_seconds {code} 0.001..16.384 15
gauge storage_count_attachable_volumes_in_use {-}
histogram taint_eviction_controller_pod_deletion_duration_seconds {} 0.005..240 12
gauge scheduler_cache_size {type}
histogram scheduler_event_handling_duration_seconds {event} 0.0001..0.2048 12
histogram scheduler_framework_extension_point_duration_seconds {extension_point,profile,status} 0.0001..0.2048 12
gauge scheduler_goroutines {operation}
gauge scheduler_inflight_events {-}
gauge scheduler_pending_pods {queue}
counter scheduler_plugin_evaluation_total {extension_point,plugin,profile}
histogram scheduler_plugin_execution_duration_seconds {extension_point,plugin,status} 1e-05..0.022168378200531007 20
histogram scheduler_pod_scheduling_attempts {} 1..16 5
histogram scheduler_pod_scheduling_sli_duration_seconds {attempts} 0.01..5242.88 20
counter scheduler_preemption_attempts_total {}
histogram scheduler_preemption_victims {} 1..64 7
counter scheduler_queue_incoming_pods_total {event,queue}
counter scheduler_schedule_attempts_total {profile,result}
histogram scheduler_scheduling_algorithm_duration_seconds {} 0.001..16.384 15
histogram scheduler_scheduling_attempt_duration_seconds {profile,result} 0.001..16.384 15
gauge scheduler_unschedulable_pods {-}
`;

interface Served {
  readonly type: string;
  readonly labels: Set<string>;
  readonly buckets: Set<string>;
}

function parse(text: string): Map<string, Served> {
  const served = new Map<string, Served>();
  for (const line of text.split('\n')) {
    const [, typed, type] = /^# TYPE (\S+) (\S+)/.exec(line) ?? [];
    if (typed) served.set(typed, { type: type!, labels: new Set(), buckets: new Set() });
    const [, full, inner = ''] = /^(\w+)(?:\{(.*)\})? /.exec(line) ?? [];
    if (!full) continue;
    const base = full.replace(/_(bucket|sum|count)$/, '');
    const found = served.get(base)?.type === 'histogram' ? served.get(base) : served.get(full);
    const names = [...inner.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    found?.labels.add(
      names
        .map(n => n[1]!)
        .filter(n => n !== 'le')
        .sort()
        .join(','),
    );
    for (const [, name, value] of names) if (name === 'le' && value !== '+Inf') found?.buckets.add(value!);
  }
  return served;
}

function describe(name: string, { type, labels, buckets }: Served): string {
  const bounds = [...buckets];
  const range = bounds.length ? ` ${bounds[0]}..${bounds.at(-1)} ${bounds.length}` : '';
  return `${type} ${name} {${labels.size ? [...labels].join('|') : '-'}}${range}`;
}

test('a cluster serves the metrics that dashboards and alerts ask for', async () => {
  const cluster = await createCluster({ clock: virtualClock(), nodes: simulated(2), seed: 1 });
  try {
    const { client } = cluster;
    const containers = [{ name: 'c', image: 'i' }];
    const template = { metadata: { labels: { app: 'x' } }, spec: { containers } };
    const metadata = { name: 'x', namespace: 'default' };
    await cluster.until(async () => (await client.list(coreV1.nodes)).items.length === 2);
    await client.create(appsV1.deployments, {
      metadata,
      spec: { replicas: 2, selector: { matchLabels: { app: 'x' } }, template },
    } as never);
    const jobPod = { metadata: {}, spec: { containers, restartPolicy: 'Never' } };
    await client.create(batchV1.jobs, { metadata, spec: { template: jobPod } } as never);
    const service = { metadata, spec: { selector: { app: 'x' }, ports: [{ port: 80 }] } };
    await client.create(coreV1.services, service as never);
    await cluster.advance('1m');
    const served = parse(await cluster.metrics.text());
    const lines = expected.trim().split('\n');
    assert.deepEqual(
      lines.map(line => {
        const name = line.split(' ')[1]!;
        const found = served.get(name);
        return found ? describe(name, found) : `${name} is not served`;
      }),
      lines,
    );
  } finally {
    await cluster.stop();
  }
});
