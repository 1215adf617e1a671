// Hand-written rules of every kind but pods and workloads, by `group/resource`.

import type { Strategy } from '../strategy.ts';
import { mutatingPolicyStrategy, validatingPolicyStrategy } from './admission/policy.ts';
import { mutatingPolicyBindingStrategy, validatingPolicyBindingStrategy } from './admission/policy-binding.ts';
import { mutatingWebhookStrategy, validatingWebhookStrategy } from './admission/webhook-configuration.ts';
import { customResourceDefinitionStrategy } from './apiextensions/custom-resource-definition.ts';
import { apiServiceStrategy } from './apiregistration/api-service.ts';
import { podAutoscalerStrategy } from './autoscaling/pod-autoscaler.ts';
import { podCertificateRequestStrategy } from './certificates/pod-certificate-request.ts';
import { signingRequestStrategy } from './certificates/signing-request.ts';
import { trustBundleStrategy } from './certificates/trust-bundle.ts';
import { leaseStrategy } from './coordination/lease.ts';
import { claimStrategy } from './core/claim.ts';
import { configMapStrategy } from './core/config-map.ts';
import { endpointsStrategy } from './core/endpoints.ts';
import { coreEventStrategy, eventStrategy } from './core/event.ts';
import { limitRangeStrategy } from './core/limit-range.ts';
import { namespaceStrategy } from './core/namespace.ts';
import { nodeStrategy } from './core/node.ts';
import { resourceQuotaStrategy } from './core/resource-quota.ts';
import { secretStrategy } from './core/secret.ts';
import { serviceStrategy } from './core/service.ts';
import { serviceAccountStrategy } from './core/service-account.ts';
import { volumeStrategy } from './core/volume.ts';
import { endpointSliceStrategy } from './discovery/endpoint-slice.ts';
import { flowSchemaStrategy } from './flowcontrol/flow-schema.ts';
import { priorityLevelStrategy } from './flowcontrol/priority-level.ts';
import { ipAddressStrategy, serviceCidrStrategy } from './networking/address.ts';
import { ingressStrategy } from './networking/ingress.ts';
import { ingressClassStrategy } from './networking/ingress-class.ts';
import { networkPolicyStrategy } from './networking/network-policy.ts';
import { runtimeClassStrategy } from './node/runtime-class.ts';
import { disruptionBudgetStrategy } from './policy/disruption-budget.ts';
import { clusterRoleBindingStrategy, roleBindingStrategy } from './rbac/binding.ts';
import { clusterRoleStrategy, roleStrategy } from './rbac/policy-rule.ts';
import { deviceClassStrategy, resourceSliceStrategy } from './resource/device.ts';
import { deviceTaintRuleStrategy } from './resource/device-taint.ts';
import { poolStatusRequestStrategy } from './resource/pool-status-request.ts';
import { resourceClaimStrategy, resourceClaimTemplateStrategy } from './resource/resource-claim.ts';
import { podGroupStrategy, workloadStrategy } from './scheduling/pod-group.ts';
import { priorityClassStrategy } from './scheduling/priority-class.ts';
import {
  csiNodeStrategy,
  csiStorageCapacityStrategy,
  volumeAttachmentStrategy,
  volumeAttributesClassStrategy,
} from './storage/attachment.ts';
import { csiDriverStrategy } from './storage/csi-driver.ts';
import { storageClassStrategy } from './storage/storage-class.ts';
import { migrationStrategy } from './storagemigration/migration.ts';

/** Written only by who read the version it replaces. */
const readFirst: Strategy = { allowUnconditionalUpdate: false };

export const clusterStrategies: Readonly<Record<string, Strategy<any>>> = {
  '/namespaces': namespaceStrategy,
  '/services': serviceStrategy,
  '/configmaps': configMapStrategy,
  '/endpoints': endpointsStrategy,
  '/events': coreEventStrategy,
  '/nodes': nodeStrategy,
  '/persistentvolumeclaims': claimStrategy,
  '/persistentvolumes': volumeStrategy,
  '/secrets': secretStrategy,
  '/limitranges': limitRangeStrategy,
  '/resourcequotas': resourceQuotaStrategy,
  '/serviceaccounts': serviceAccountStrategy,
  'events.k8s.io/events': eventStrategy,
  'rbac.authorization.k8s.io/roles': roleStrategy,
  'rbac.authorization.k8s.io/rolebindings': roleBindingStrategy,
  'rbac.authorization.k8s.io/clusterroles': clusterRoleStrategy,
  'rbac.authorization.k8s.io/clusterrolebindings': clusterRoleBindingStrategy,
  'coordination.k8s.io/leases': leaseStrategy,
  'discovery.k8s.io/endpointslices': endpointSliceStrategy,
  'coordination.k8s.io/leasecandidates': { allowCreateOnUpdate: true, allowUnconditionalUpdate: false },
  'policy/poddisruptionbudgets': disruptionBudgetStrategy,
  'node.k8s.io/runtimeclasses': runtimeClassStrategy,
  'storage.k8s.io/csinodes': csiNodeStrategy,
  'storage.k8s.io/csidrivers': csiDriverStrategy,
  'storage.k8s.io/storageclasses': storageClassStrategy,
  'storage.k8s.io/csistoragecapacities': csiStorageCapacityStrategy,
  'storage.k8s.io/volumeattachments': volumeAttachmentStrategy,
  'storage.k8s.io/volumeattributesclasses': volumeAttributesClassStrategy,
  'resource.k8s.io/deviceclasses': deviceClassStrategy,
  'resource.k8s.io/resourceclaims': resourceClaimStrategy,
  'resource.k8s.io/resourceclaimtemplates': resourceClaimTemplateStrategy,
  'resource.k8s.io/resourceslices': resourceSliceStrategy,
  'resource.k8s.io/devicetaintrules': deviceTaintRuleStrategy,
  'resource.k8s.io/resourcepoolstatusrequests': poolStatusRequestStrategy,
  'networking.k8s.io/servicecidrs': serviceCidrStrategy,
  'networking.k8s.io/ipaddresses': ipAddressStrategy,
  'autoscaling/horizontalpodautoscalers': podAutoscalerStrategy,
  'networking.k8s.io/ingressclasses': ingressClassStrategy,
  'networking.k8s.io/ingresses': ingressStrategy,
  'networking.k8s.io/networkpolicies': networkPolicyStrategy,
  'scheduling.k8s.io/podgroups': podGroupStrategy,
  'scheduling.k8s.io/priorityclasses': priorityClassStrategy,
  'scheduling.k8s.io/workloads': workloadStrategy,
  'certificates.k8s.io/certificatesigningrequests': signingRequestStrategy,
  'certificates.k8s.io/clustertrustbundles': trustBundleStrategy,
  'certificates.k8s.io/podcertificaterequests': podCertificateRequestStrategy,
  'flowcontrol.apiserver.k8s.io/flowschemas': flowSchemaStrategy,
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': priorityLevelStrategy,
  'admissionregistration.k8s.io/validatingwebhookconfigurations': validatingWebhookStrategy,
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': mutatingWebhookStrategy,
  'admissionregistration.k8s.io/validatingadmissionpolicies': validatingPolicyStrategy,
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': validatingPolicyBindingStrategy,
  'admissionregistration.k8s.io/mutatingadmissionpolicies': mutatingPolicyStrategy,
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': mutatingPolicyBindingStrategy,
  'apiextensions.k8s.io/customresourcedefinitions': customResourceDefinitionStrategy,
  'apiregistration.k8s.io/apiservices': apiServiceStrategy,
  'internal.apiserver.k8s.io/storageversions': readFirst,
  'storagemigration.k8s.io/storageversionmigrations': migrationStrategy,
};
