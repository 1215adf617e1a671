// The whole pod spec, alone or in a template.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { KubeObject } from '../../meta.ts';
import {
  inclusiveRangeError,
  isDns1123Label,
  isDns1123Subdomain,
  isDns1123SubdomainWithUnderscore,
} from '../../name-rule.ts';
import type { HostAlias, PodDNSConfig, PodSpec, PodTemplateSpec } from '../../type/core-v1.ts';
import { validateAnnotations, validateLabels } from '../meta.ts';
import { validateIp } from './ip-value.ts';
import { validateAffinity } from './pod-affinity.ts';
import { validatePodAnnotations } from './pod-annotation.ts';
import {
  validateContainers,
  validateEphemeralContainers,
  validateHostNetwork,
  validateInitContainers,
} from './pod-container.ts';
import { validatePodClaims, validatePodResources, validateResources } from './pod-resource.ts';
import {
  validateReadinessGates,
  validateSchedulingGates,
  validateTolerations,
  validateTopologySpread,
} from './pod-scheduling.ts';
import { validateHostUsers, validateOs, validatePodSecurityContext } from './pod-security.ts';
import { validateVolumes } from './pod-volume.ts';
import { validateHostProcesses } from './pod-windows.ts';

export interface PodSpecOptions {
  /** Name of the pod, '' when it is not known; a template has none. */
  readonly podName?: string;
  /** A pod, not a template of one. */
  readonly isPod?: boolean;
  readonly featureEnabled?: (gate: string) => boolean;
  /** What an update started from: a pod, or what has a template of pods. What was wrong in it may stay. */
  readonly old?: KubeObject;
}

const MAX_INT32 = 2147483647;
const RESTART_POLICIES = ['Always', 'OnFailure', 'Never'];
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
const NO_CLAIMS: ReadonlySet<string> = new Set();

export function validatePodSpec(spec: PodSpec, at: FieldPath, errors: FieldErrors, options: PodSpecOptions): void {
  const isPod = options.isPod ?? false;
  const owner = { podName: options.podName ?? '', isPod };
  const volumes = validateVolumes(spec.volumes, owner, at.child('volumes'), errors);
  const claims = spec.resourceClaims
    ? validatePodClaims(spec.resourceClaims, owner.podName, at.child('resourceClaims'), errors)
    : NO_CLAIMS;
  const scope = { spec, volumes, claims, oldSpec: options.old && podSpecOf(options.old) };
  validateContainers(scope, at.child('containers'), errors);
  validateInitContainers(scope, at.child('initContainers'), errors);
  validateEphemeralContainers(scope, at.child('ephemeralContainers'), errors);
  validatePodResources(spec, claims, at.child('resources'), errors);
  if (!spec.restartPolicy) errors.required(at.child('restartPolicy'));
  else if (!RESTART_POLICIES.includes(spec.restartPolicy))
    errors.notSupported(at.child('restartPolicy'), spec.restartPolicy, RESTART_POLICIES);
  if (!spec.dnsPolicy) errors.required(at.child('dnsPolicy'));
  else if (!DNS_POLICIES.includes(spec.dnsPolicy))
    errors.notSupported(at.child('dnsPolicy'), spec.dnsPolicy, DNS_POLICIES);
  if (spec.nodeSelector) validateLabels(spec.nodeSelector, at.child('nodeSelector'), errors);
  if (spec.hostNetwork) {
    validateHostNetwork(spec.containers ?? [], at.child('containers'), errors);
    validateHostNetwork(spec.initContainers ?? [], at.child('initContainers'), errors);
  }
  validatePodSecurityContext(spec, at.child('securityContext'), errors);
  validatePlacement(spec, isPod, at, errors, options);
  validateNames(spec, at, errors);
  validateRest(spec, at, errors, options);
}

function validatePlacement(
  spec: PodSpec,
  isPod: boolean,
  at: FieldPath,
  errors: FieldErrors,
  options: PodSpecOptions,
): void {
  if (spec.affinity) validateAffinity(spec.affinity, isPod, at.child('affinity'), errors);
  validateDns(spec.dnsConfig, spec.dnsPolicy, at.child('dnsConfig'), errors);
  if (spec.readinessGates) validateReadinessGates(spec.readinessGates, at.child('readinessGates'), errors);
  if (spec.schedulingGates) validateSchedulingGates(spec.schedulingGates, at.child('schedulingGates'), errors);
  if (spec.topologySpreadConstraints)
    validateTopologySpread(spec.topologySpreadConstraints, isPod, at.child('topologySpreadConstraints'), errors);
  if (spec.tolerations) {
    const comparisons = options.featureEnabled?.('TaintTolerationComparisonOperators') ?? false;
    validateTolerations(spec.tolerations, comparisons, at.child('tolerations'), errors);
  }
}

function validateNames(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  for (const key of ['serviceAccountName', 'nodeName', 'priorityClassName', 'runtimeClassName'] as const) {
    const name = spec[key];
    if (!name && !(key === 'runtimeClassName' && name === '')) continue;
    for (const m of isDns1123Subdomain(name ?? '')) errors.invalid(at.child(key), name, m);
  }
  for (const key of ['hostname', 'subdomain'] as const) {
    const name = spec[key];
    if (name) for (const m of isDns1123Label(name)) errors.invalid(at.child(key), name, m);
  }
  const override = spec.hostnameOverride;
  if (override === undefined) return;
  const here = at.child('hostnameOverride');
  for (const m of isDns1123Subdomain(override)) errors.invalid(here, override, m);
  if (override.length > 64) errors.tooLong(here, 64);
  if (spec.hostNetwork) errors.forbidden(here, 'may not be set when hostNetwork is true');
  if (spec.setHostnameAsFQDN) errors.forbidden(here, 'may not be set when setHostnameAsFQDN is true');
}

function validateRest(spec: PodSpec, at: FieldPath, errors: FieldErrors, options: PodSpecOptions): void {
  validateHostUsers(spec, options.featureEnabled?.('UserNamespacesHostNetworkSupport') ?? false, at, errors);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_INT32))
    errors.invalid(at.child('activeDeadlineSeconds'), deadline, inclusiveRangeError(1, MAX_INT32));
  if (spec.hostAliases) validateHostAliases(spec.hostAliases, at.child('hostAliases'), errors);
  const preemption = spec.preemptionPolicy;
  if ((preemption as string) === '') errors.required(at.child('preemptionPolicy'));
  else if (preemption !== undefined && preemption !== 'Never' && preemption !== 'PreemptLowerPriority')
    errors.notSupported(at.child('preemptionPolicy'), preemption, ['Never', 'PreemptLowerPriority']);
  if (spec.overhead) validateResources({ limits: spec.overhead }, NO_CLAIMS, at.child('overhead'), errors);
  if (spec.os) validateOs(spec, at, errors);
  validateHostProcesses(spec, at, errors);
  const group = spec.schedulingGroup?.podGroupName;
  if (spec.schedulingGroup && !group)
    errors.required(at.child('schedulingGroup'), 'must specify one of: `podGroupName`');
  else if (group)
    for (const m of isDns1123Subdomain(group)) errors.invalid(at.child('schedulingGroup', 'podGroupName'), group, m);
}

function validateHostAliases(aliases: readonly HostAlias[], at: FieldPath, errors: FieldErrors): void {
  for (const [i, alias] of aliases.entries()) {
    validateIp(alias.ip, at.index(i).child('ip'), errors);
    for (const [j, name] of (alias.hostnames ?? []).entries())
      for (const m of isDns1123Subdomain(name)) errors.invalid(at.index(i).child('hostnames').index(j), name, m);
  }
}

const MAX_NAMESERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_LENGTH = 2048;

function validateDns(
  config: PodDNSConfig | undefined,
  policy: string | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (policy === 'None') {
    if (!config) {
      errors.required(at, 'must provide `dnsConfig` when `dnsPolicy` is None');
      return;
    }
    if (!config.nameservers?.length) {
      errors.required(at.child('nameservers'), 'must provide at least one DNS nameserver when `dnsPolicy` is None');
      return;
    }
  }
  if (!config) return;
  const { nameservers = [], searches = [], options = [] } = config;
  if (nameservers.length > MAX_NAMESERVERS)
    errors.invalid(at.child('nameservers'), nameservers, `must not have more than ${MAX_NAMESERVERS} nameservers`);
  for (const [i, ip] of nameservers.entries()) validateIp(ip, at.child('nameservers').index(i), errors);
  if (searches.length > MAX_SEARCHES)
    errors.invalid(at.child('searches'), searches, `must not have more than ${MAX_SEARCHES} search paths`);
  if (searches.join(' ').length > MAX_SEARCH_LENGTH)
    errors.invalid(
      at.child('searches'),
      searches,
      `must not have more than ${MAX_SEARCH_LENGTH} characters (including spaces) in the search list`,
    );
  for (const [i, search] of searches.entries()) {
    if (search === '.') continue;
    const name = search.endsWith('.') ? search.slice(0, -1) : search;
    for (const m of isDns1123SubdomainWithUnderscore(name)) errors.invalid(at.child('searches').index(i), name, m);
  }
  for (const [i, { name }] of options.entries())
    if (!name) errors.required(at.child('options').index(i), 'must not be empty');
}

/** Of a pod, or of the pods that something makes. */
function podSpecOf(object: KubeObject): PodSpec | undefined {
  interface Templated extends Partial<PodSpec> {
    readonly template?: { readonly spec?: PodSpec };
    readonly jobTemplate?: { readonly spec?: Templated };
  }
  const { spec, template } = object as KubeObject & { readonly spec?: Templated } & Pick<Templated, 'template'>;
  const templated = spec?.jobTemplate?.spec ?? spec;
  return templated?.template?.spec ?? template?.spec ?? (spec as PodSpec | undefined);
}

/** A pod template of a workload. */
export function validatePodTemplateSpec(
  template: PodTemplateSpec,
  at: FieldPath,
  errors: FieldErrors,
  options: PodSpecOptions = {},
): void {
  const meta = template.metadata;
  const spec = template.spec ?? ({ containers: [] } as PodSpec);
  if (meta?.labels) validateLabels(meta.labels, at.child('labels'), errors);
  if (meta?.annotations) {
    validateAnnotations(meta.annotations, at.child('annotations'), errors);
    validatePodAnnotations(meta.annotations, spec, at.child('annotations'), errors);
  }
  validatePodSpec(spec, at.child('spec'), errors, { ...options, isPod: false });
  if (spec.ephemeralContainers?.length)
    errors.forbidden(at.child('spec', 'ephemeralContainers'), 'ephemeral containers not allowed in pod template');
}
