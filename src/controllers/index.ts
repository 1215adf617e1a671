// Every controller of the control plane.
import { featureGates } from '../api/feature-gates.ts';
import type { CertificateAndKey } from '../base/x509.ts';
import type { Controller } from '../engine/controller.ts';
import { attachDetachController } from './attachdetach/attach-detach.ts';
import { bootstrapSignerController } from './bootstrapsigner/bootstrap-signer.ts';
import { csrApprovingController, csrCleanerController, csrSigningController } from './certificate/certificate.ts';
import { clusterRoleAggregationController } from './clusterroleaggregation/cluster-role-aggregation.ts';
import { trustBundlePublisherController } from './clustertrustbundle-publisher/clustertrustbundle-publisher.ts';
import { cronJobController } from './cronjob/cronjob.ts';
import { daemonSetController } from './daemonset/daemonset.ts';
import { deploymentController } from './deployment/deployment.ts';
import { deviceTaintEvictionController } from './devicetainteviction/device-taint-eviction.ts';
import { disruptionController } from './disruption/disruption.ts';
import { endpointController } from './endpoint/endpoint.ts';
import { endpointSliceController } from './endpointslice/endpointslice.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring/endpointslice-mirroring.ts';
import { ephemeralVolumeController } from './ephemeral-volume/ephemeral-volume.ts';
import { garbageCollectorController } from './garbage-collector/garbage-collector.ts';
import { jobController } from './job/job.ts';
import { legacyTokenCleanerController } from './legacy-serviceaccount-token-cleaner/legacy-token-cleaner.ts';
import { namespaceController } from './namespace/namespace.ts';
import { nodeIpamController } from './nodeipam/node-ipam.ts';
import { nodeLifecycleController } from './nodelifecycle/node-lifecycle.ts';
import { volumeBinderController } from './persistentvolume-binder/persistentvolume-binder.ts';
import { volumeExpanderController } from './persistentvolume-expander/persistentvolume-expander.ts';
import { horizontalPodAutoscalerController } from './podautoscaler/horizontal-pod-autoscaler.ts';
import { podCertificateRequestCleanerController } from './podcertificaterequest-cleaner/podcertificaterequest-cleaner.ts';
import { podGcController } from './podgc/pod-gc.ts';
import { replicaSetController } from './replicaset/replicaset.ts';
import { replicationControllerController } from './replicaset/replication-controller.ts';
import { resourcePoolStatusRequestController } from './resource-pool-status-request/resource-pool-status-request.ts';
import { resourceClaimController } from './resourceclaim/resourceclaim.ts';
import { resourceQuotaController } from './resourcequota/resource-quota.ts';
import { rootCaController } from './root-ca/root-ca.ts';
import { selinuxWarningController } from './selinux-warning/selinux-warning.ts';
import { serviceCidrsController } from './service-cidrs/service-cidrs.ts';
import { serviceLbController } from './service-lb/service-lb.ts';
import { serviceAccountController } from './serviceaccount/service-account.ts';
import { serviceAccountTokenController } from './serviceaccount-token/service-account-token.ts';
import { statefulSetController } from './statefulset/statefulset.ts';
import { storageVersionGcController } from './storage-version-gc/storage-version-gc.ts';
import { storageVersionMigratorController } from './storage-version-migrator/storage-version-migrator.ts';
import { taintEvictionController } from './tainteviction/taint-eviction.ts';
import { tokenCleanerController } from './tokencleaner/token-cleaner.ts';
import { ttlController } from './ttl/ttl.ts';
import { ttlAfterFinishedController } from './ttlafterfinished/ttl-after-finished.ts';
import type { ControllerTuning } from './tuning.ts';
import { validatingAdmissionPolicyStatusController } from './validatingadmissionpolicy-status/validating-admission-policy-status.ts';
import { attributesClassProtectionController } from './volume-protection/attributes-class-protection.ts';
import { claimProtectionController } from './volume-protection/claim-protection.ts';
import { volumeProtectionController } from './volume-protection/volume-protection.ts';

export interface AllControllersOptions {
  /** Certificates in PEM form that verify the API server. */
  readonly clusterCa: string;
  /** The range that nodes' pods get addresses from; one of each family with a comma between. Absent: nodes bring theirs. */
  readonly podCidr?: string;
  /** Signs the certificates that are asked for through the API. Absent: nobody does. */
  readonly clusterSigning?: CertificateAndKey;
  /** RSA or EC, PEM: signs tokens of service accounts. Absent: Secrets of their type stay empty. */
  readonly serviceAccountKey?: string;
  /** Balance services of type LoadBalancer on the nodes' own addresses. Default: leave that to others. */
  readonly balancesOnNodes?: boolean;
  readonly tuning?: ControllerTuning;
  /** Default: as Kubernetes has them. */
  readonly featureEnabled?: (gate: string) => boolean;
}

export function allControllers(options: AllControllersOptions): Controller[] {
  const { featureEnabled = featureGates(), tuning = {} } = options;
  return [
    // Identity and namespaces.
    serviceAccountController(),
    ...(options.serviceAccountKey
      ? [serviceAccountTokenController({ keyPem: options.serviceAccountKey, clusterCa: options.clusterCa })]
      : []),
    legacyTokenCleanerController(),
    bootstrapSignerController(),
    tokenCleanerController(),
    rootCaController(options.clusterCa),
    clusterRoleAggregationController(),
    csrApprovingController(),
    ...(options.clusterSigning ? [csrSigningController(options.clusterSigning, tuning.signingTtlMs)] : []),
    csrCleanerController(),
    ...(featureEnabled('ClusterTrustBundle') ? [trustBundlePublisherController(options.clusterCa)] : []),
    ...(featureEnabled('PodCertificateRequest') ? [podCertificateRequestCleanerController()] : []),
    validatingAdmissionPolicyStatusController(),
    namespaceController(),
    resourceQuotaController(),
    garbageCollectorController(),
    ...(featureEnabled('StorageVersionAPI') ? [storageVersionGcController()] : []),
    ...(featureEnabled('StorageVersionMigrator') ? [storageVersionMigratorController()] : []),
    // Nodes.
    nodeLifecycleController(tuning.nodeLifecycle),
    taintEvictionController(),
    podGcController(tuning.podGc),
    ttlController(),
    ...(options.podCidr ? [nodeIpamController({ podCidr: options.podCidr, ...tuning.nodeCidrs })] : []),
    // Workloads.
    replicaSetController({ waitsForOwnWrites: featureEnabled('StaleControllerConsistencyReplicaSet') }),
    replicationControllerController({ waitsForOwnWrites: featureEnabled('StaleControllerConsistencyReplicaSet') }),
    deploymentController(),
    daemonSetController({ waitsForOwnWrites: featureEnabled('StaleControllerConsistencyDaemonSet') }),
    statefulSetController({
      usesMaxUnavailable: featureEnabled('MaxUnavailableStatefulSet'),
      waitsForOwnWrites: featureEnabled('StaleControllerConsistencyStatefulSet'),
    }),
    jobController({ waitsForOwnWrites: featureEnabled('StaleControllerConsistencyJob') }),
    cronJobController(),
    ttlAfterFinishedController(),
    disruptionController(),
    horizontalPodAutoscalerController({
      ...tuning.autoscaler,
      usesToleranceFields: featureEnabled('HPAConfigurableTolerance'),
    }),
    // Services.
    endpointSliceController(tuning.endpointSlice),
    endpointController(),
    endpointSliceMirroringController(tuning.mirroring),
    serviceCidrsController(),
    ...(options.balancesOnNodes ? [serviceLbController()] : []),
    // Volumes.
    volumeBinderController(tuning.volumeBinder),
    claimProtectionController(),
    volumeProtectionController(),
    attributesClassProtectionController(),
    ephemeralVolumeController(),
    volumeExpanderController(),
    attachDetachController(tuning.attachDetach),
    selinuxWarningController(),
    // Devices.
    ...(featureEnabled('DynamicResourceAllocation') ? [resourceClaimController()] : []),
    ...(featureEnabled('DRADeviceTaints')
      ? [deviceTaintEvictionController({ usesRules: featureEnabled('DRADeviceTaintRules') })]
      : []),
    ...(featureEnabled('DRAResourcePoolStatus') ? [resourcePoolStatusRequestController()] : []),
  ];
}
