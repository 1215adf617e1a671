// The admission plugins that are on, in Kubernetes' order.
import { apiVersionOf } from '../../api/ref.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { InformerFactory } from '../../client/informer.ts';
import { accessTo, readKubeconfig } from '../../client/kubeconfig.ts';
import type { Access } from '../access.ts';
import { type ApiContext, registryOf } from '../context.ts';
import { WebhookClient } from '../extension/webhook-client.ts';
import { webhookIdentity } from '../extension/webhook-identity.ts';
import type { ApiServerOptions } from '../server-options.ts';
import type { AdmissionPlugin } from './admission.ts';
import {
  certificateApproval,
  certificateSigning,
  certificateSubjectRestriction,
  podCertificateSigning,
  trustBundleAttest,
} from './certificates.ts';
import {
  defaultIngressClass,
  defaultStorageClass,
  persistentVolumeClaimResize,
  runtimeClass,
  storageObjectInUseProtection,
} from './classes.ts';
import { claimStatusAuthorization, deviceAdminAccess } from './device-access.ts';
import { limitRanger } from './limit-ranger.ts';
import { conditionMetrics } from './match/condition-metrics.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeDeclaredFeatureValidator } from './node-declared-features.ts';
import { nodeRestriction } from './node-restriction.ts';
import {
  alwaysAdmit,
  alwaysDeny,
  alwaysPullImages,
  denyServiceExternalIPs,
  extendedResourceToleration,
  limitPodHardAntiAffinityTopology,
  namespaceAutoProvision,
  namespaceExists,
  offByDefault,
} from './off-by-default.ts';
import { eventRateLimit } from './optional/event-rate-limit.ts';
import { imagePolicyWebhook } from './optional/image-policy.ts';
import { ownerReferencesPermission } from './optional/owner-references-permission.ts';
import { podNodeSelector } from './optional/pod-node-selector.ts';
import { podTolerationRestriction } from './optional/pod-toleration-restriction.ts';
import { defaultTolerationSeconds, priority, taintNodesByCondition } from './pod-defaults.ts';
import { EvaluationCounts } from './pod-security/evaluation-counts.ts';
import { podSecurity } from './pod-security/pod-security.ts';
import { podTopologyLabels } from './pod-topology-labels.ts';
import { compileMutating, compileValidating, PolicySource } from './policy/compiled.ts';
import { policyMetrics } from './policy/metrics.ts';
import { mutatingPolicies } from './policy/mutating.ts';
import { paramPermission } from './policy/param-permission.ts';
import { validatingPolicies } from './policy/validating.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resourceQuota } from './resource-quota.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { HookSource } from './webhook/hook.ts';
import { webhookMetrics } from './webhook/metrics.ts';
import { mutatingWebhooks } from './webhook/mutating.ts';
import { validatingWebhooks } from './webhook/validating.ts';

export interface AdmissionDeps {
  readonly context: ApiContext;
  /** Acts as the API server itself. */
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly options: ApiServerOptions;
  readonly access: Access;
}

export function admissionPlugins({ context, client, access, options }: AdmissionDeps): AdmissionPlugin[] {
  const cacheOf = (group: string, resource: string) => registryOf(context, group, resource).cache;
  const enabled = new Set(options.enableAdmissionPlugins ?? []);
  const disabled = new Set(options.disableAdmissionPlugins ?? []);
  const optional = (plugins: readonly AdmissionPlugin[]) => plugins.filter(({ name }) => enabled.has(name));
  const made = madeFrom({ context, access, options });
  const told = (name: keyof typeof made) => (enabled.has(name) ? [made[name]()] : []);
  const hooksOf = (resource: string) => new HookSource(cacheOf('admissionregistration.k8s.io', resource));
  const conditions = options.metrics && conditionMetrics(options.metrics);
  const policyCounts = conditions && policyMetrics(options.metrics!, conditions);
  const hookMetrics = conditions && webhookMetrics(options.metrics!, conditions);
  const webhooks = (kubeconfig: string | undefined) => {
    const identity = kubeconfig ? webhookIdentity(readKubeconfig(kubeconfig), context.clock) : undefined;
    const { dialExtension: dial } = options;
    const caller = new WebhookClient({ context, dial, userAgent: 'kube-apiserver-admission', identity });
    return { context, client: caller, metrics: hookMetrics };
  };
  const { clock, counts } = context;
  const timed =
    <P, B, C>(compile: (policy: P, bindings: readonly B[]) => C) =>
    (policy: P, bindings: readonly B[]): C => {
      const startMs = clock.monotonic();
      const compiled = compile(policy, bindings);
      counts.celCompilation.observe((clock.monotonic() - startMs) / 1000);
      return compiled;
    };
  const registration = (resource: string) => cacheOf('admissionregistration.k8s.io', resource);
  const policies = {
    mutating: new PolicySource(
      registration('mutatingadmissionpolicies'),
      registration('mutatingadmissionpolicybindings'),
      timed(compileMutating),
    ),
    validating: new PolicySource(
      registration('validatingadmissionpolicies'),
      registration('validatingadmissionpolicybindings'),
      timed(compileValidating),
    ),
  };
  const all = [
    ...optional([alwaysAdmit, namespaceAutoProvision(cacheOf('', 'namespaces'), client)]),
    namespaceLifecycle(cacheOf('', 'namespaces')),
    ...optional([namespaceExists(cacheOf('', 'namespaces')), limitPodHardAntiAffinityTopology]),
    limitRanger(cacheOf('', 'limitranges')),
    serviceAccountAdmission({ accounts: cacheOf('', 'serviceaccounts'), random: context.random, clock }),
    nodeRestriction({
      pods: cacheOf('', 'pods'),
      nodes: cacheOf('', 'nodes'),
      serviceAccounts: cacheOf('', 'serviceaccounts'),
      anyNodeName: context.featureEnabled('AllowInsecureKubeletCertificateSigningRequests'),
      tokenAudience: context.featureEnabled('ServiceAccountNodeAudienceRestriction')
        ? {
            authorizer: access.authorizer,
            claims: cacheOf('', 'persistentvolumeclaims'),
            volumes: cacheOf('', 'persistentvolumes'),
            drivers: cacheOf('storage.k8s.io', 'csidrivers'),
          }
        : undefined,
    }),
    taintNodesByCondition,
    ...optional([alwaysPullImages]),
    ...told('ImagePolicyWebhook'),
    podSecurity({
      namespaces: cacheOf('', 'namespaces'),
      pods: cacheOf('', 'pods'),
      counts: options.metrics && new EvaluationCounts(options.metrics),
      settings: options.podSecurity,
    }),
    ...told('PodNodeSelector'),
    priority(cacheOf('scheduling.k8s.io', 'priorityclasses')),
    defaultTolerationSeconds({
      notReady: options.defaultNotReadyTolerationSeconds,
      unreachable: options.defaultUnreachableTolerationSeconds,
    }),
    ...told('PodTolerationRestriction'),
    ...told('EventRateLimit'),
    ...optional([extendedResourceToleration]),
    defaultStorageClass(cacheOf('storage.k8s.io', 'storageclasses')),
    storageObjectInUseProtection,
    ...told('OwnerReferencesPermissionEnforcement'),
    persistentVolumeClaimResize(cacheOf('storage.k8s.io', 'storageclasses')),
    runtimeClass(cacheOf('node.k8s.io', 'runtimeclasses')),
    certificateApproval(access.authorizer),
    certificateSigning(access.authorizer),
    trustBundleAttest(access.authorizer),
    podCertificateSigning(access.authorizer),
    certificateSubjectRestriction,
    defaultIngressClass(cacheOf('networking.k8s.io', 'ingressclasses')),
    ...optional([denyServiceExternalIPs]),
    ...(context.featureEnabled('PodTopologyLabelsAdmission') ? [podTopologyLabels(cacheOf('', 'nodes'))] : []),
    ...(context.featureEnabled('NodeDeclaredFeatures') ? [nodeDeclaredFeatureValidator(cacheOf('', 'nodes'))] : []),
    deviceAdminAccess(cacheOf('', 'namespaces')),
    ...(context.featureEnabled('DRAResourceClaimGranularStatusAuthorization')
      ? [claimStatusAuthorization(access.authorizer)]
      : []),
    rbacEscalation({ authorizer: access.authorizer, rbac: access.rules }),
    paramPermission(context),
    mutatingPolicies(policies.mutating, context, policyCounts),
    mutatingWebhooks(hooksOf('mutatingwebhookconfigurations'), webhooks(options.admission?.mutatingWebhooks)),
    validatingPolicies(policies.validating, context, policyCounts),
    validatingWebhooks(hooksOf('validatingwebhookconfigurations'), webhooks(options.admission?.validatingWebhooks)),
    resourceQuota({
      quotas: cacheOf('', 'resourcequotas'),
      client,
      clock: context.clock,
      limited: options.admission?.limitedResources,
    }),
    ...optional([alwaysDeny]),
  ];
  const known = new Set([...offByDefault, ...all.map(({ name }) => name)]).difference(ofEveryWrite);
  for (const [flag, names] of [
    ['enable', enabled],
    ['disable', disabled],
  ] as const)
    for (const name of names)
      if (!known.has(name)) throw new Error(`${flag}-admission-plugins plugin ${JSON.stringify(name)} is unknown`);
  const both = [...enabled].filter(name => disabled.has(name)).sort();
  if (both.length)
    throw new Error(`[${both.join(' ')}] in enable-admission-plugins and disable-admission-plugins overlapped`);
  return all.filter(({ name }) => !disabled.has(name));
}

/** Says at start which plugins there are, and in which order they are asked. */
export function logAdmissionPlugins(plugins: readonly AdmissionPlugin[], log: Log): void {
  for (const [phase, word] of [
    ['mutate', 'mutating'],
    ['validate', 'validating'],
  ] as const) {
    const names = plugins.filter(p => p[phase] && !ofEveryWrite.has(p.name)).map(p => p.name);
    log.info(`Loaded ${names.length} ${word} admission controller(s) successfully in the following order: ${names}.`);
  }
}

/** Those that are off by default and need more than an object: made only where they are on. */
function madeFrom({ context, access, options }: Pick<AdmissionDeps, 'context' | 'access' | 'options'>) {
  const { clock } = context;
  const namespaces = registryOf(context, '', 'namespaces').cache;
  const { eventLimits, imagePolicy, nodeSelectors = {}, podTolerations = {} } = options.admission ?? {};
  const bare = (name: string, why: string) =>
    new Error(`failed to initialize admission: couldn't init admission plugin ${JSON.stringify(name)}: ${why}`);
  return {
    EventRateLimit() {
      if (!eventLimits) throw bare('EventRateLimit', 'limits: Invalid value: null: must not be empty');
      return eventRateLimit(eventLimits, clock);
    },
    ImagePolicyWebhook() {
      if (!imagePolicy) throw bare('ImagePolicyWebhook', 'no config specified');
      const { dialExtension: dial } = options;
      const webhooks = new WebhookClient({ context, dial, userAgent: 'kube-apiserver-admission' });
      const backend = accessTo(readKubeconfig(imagePolicy.kubeConfigFile), clock);
      const post = (body: unknown, timeoutMs: number, retryMs: number) =>
        webhooks.postTo(backend, body, timeoutMs, retryMs);
      return imagePolicyWebhook({ policy: imagePolicy, post, clock });
    },
    OwnerReferencesPermissionEnforcement() {
      const resourcesOf = (apiVersion: string, kind: string) =>
        [...context.resources.values()].filter(r => r.kind === kind && apiVersionOf(r) === apiVersion);
      return ownerReferencesPermission({ authorizer: access.authorizer, resourcesOf });
    },
    PodNodeSelector: () => podNodeSelector(nodeSelectors, namespaces),
    PodTolerationRestriction: () => podTolerationRestriction(podTolerations, namespaces),
  };
}

/** Those no flag names: Kubernetes checks the same outside of admission. */
const ofEveryWrite: ReadonlySet<string> = new Set([
  'RBACEscalation',
  'PolicyParamPermission',
  'DeviceAdminAccess',
  'ClaimStatusAuthorization',
  'PodCertificateRequestSigning',
]);
