// KubeletConfiguration of kubelet.config.k8s.io/v1beta1: what of it a node keeps to.
import { readFileSync } from 'node:fs';
import { normalize } from 'node:path';
import { parse } from 'yaml';
import { featureGates } from '../api/feature-gates.ts';
import { parseDuration } from '../api/scalar.ts';
import type { Taint } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import { bytesOf } from '../kubelet/kernel/amount.ts';
import { defaultEvictionHard } from '../kubelet/kernel/eviction.ts';
import { checkVerification, type VerificationPolicy } from '../kubelet/kernel/image-access.ts';
import type { KubeletOptions } from '../kubelet/option.ts';
import { logind } from '../kubelet/shutdown/logind.ts';
import { type ManagersGiven, managerFields, managerSettings } from './kubelet-manager-fields.ts';
import { type ServerGiven, type ServerSettings, serverFields, serverSettings } from './kubelet-server-fields.ts';
import { type ShutdownGiven, shutdownFields, shutdownGroups } from './kubelet-shutdown-fields.ts';
import { type StaticPodGiven, staticPodFields, staticPodUrlOf } from './kubelet-static-pod-fields.ts';
import {
  cpusIn,
  integer,
  invalid,
  isMap,
  milliseconds,
  quantities,
  type Strings,
  texts,
  typed,
} from './kubelet-values.ts';
import { tracingSettings } from './tracing-file.ts';

export interface KubeletSettings {
  readonly options: Partial<KubeletOptions>;
  readonly server: ServerSettings;
  readonly podPidsLimit?: number;
  /** Whether all pods together are held to what is left of the machine; default true. */
  readonly holdPods?: boolean;
  /** Of the agent's process. */
  readonly oomScoreAdj?: number;
  /** As given, for /configz: what is kept to. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Fields that are set and have no effect. */
  readonly withoutEffect: readonly string[];
}

export const noKubeletSettings: KubeletSettings = { options: {}, server: {}, given: {}, withoutEffect: [] };

/** Throws an error that names the file and everything that is wrong in it. */
export function readKubeletConfiguration(file: string): KubeletSettings {
  try {
    return kubeletSettings(parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** The same of the document; throws what is wrong. */
export function kubeletSettings(document: unknown): KubeletSettings {
  if (!isMap(document)) throw new Error('it must hold one KubeletConfiguration');
  const { apiVersion, kind, ...given } = document;
  if (kind !== 'KubeletConfiguration' || apiVersion !== 'kubelet.config.k8s.io/v1beta1')
    throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const unknown = Object.keys(given).filter(name => !Object.hasOwn(fields, name) && !withoutEffect.has(name));
  if (unknown.length)
    throw new Error(
      `strict decoding error: ${unknown.map(name => `unknown field ${JSON.stringify(name)}`).join(', ')}`,
    );
  const errors: string[] = [];
  const attempt = (act: () => void): void => {
    try {
      act();
    } catch (error) {
      errors.push(messageOf(error));
    }
  };
  let all: Settings = {};
  for (const [name, take] of Object.entries(fields)) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    attempt(() => {
      all = merged(all, take(value, name));
    });
  }
  if (errors.length === 0) for (const check of checks) attempt(() => check(given as Given));
  if (errors.length) throw new Error(errors.length === 1 ? errors[0]! : `\n${errors.map(e => `* ${e}`).join('\n')}`);
  const { options = {}, server = {}, ...others } = all;
  return {
    options: { ...options, ...derived(given as Given) },
    server: { ...server, ...serverSettings(given as Given) },
    ...others,
    given: Object.fromEntries(Object.entries(given).filter(([name]) => !withoutEffect.has(name))),
    withoutEffect: Object.keys(given).filter(name => withoutEffect.has(name)),
  };
}

type Settings = Partial<Pick<KubeletSettings, 'options' | 'server' | 'podPidsLimit' | 'holdPods' | 'oomScoreAdj'>>;
type Take = (value: unknown, name: string) => Settings;
type Given = ManagersGiven &
  ShutdownGiven &
  StaticPodGiven &
  ServerGiven &
  Readonly<{
    evictionHard?: Strings;
    evictionSoft?: Strings;
    evictionSoftGracePeriod?: Strings;
    evictionMinimumReclaim?: Strings;
    evictionPressureTransitionPeriod?: string;
    evictionMaxPodGracePeriod?: number;
    mergeDefaultEvictionSettings?: boolean;
    imageGCHighThresholdPercent?: number;
    imageGCLowThresholdPercent?: number;
    imageMinimumGCAge?: string;
    imageMaximumGCAge?: string;
    serializeImagePulls?: boolean;
    maxParallelImagePulls?: number;
    nodeStatusUpdateFrequency?: string;
    nodeStatusReportFrequency?: string;
    reservedSystemCPUs?: string;
    systemReserved?: Strings;
    kubeReserved?: Strings;
    imagePullCredentialsVerificationPolicy?: string;
    cpuCFSQuotaPeriod?: string;
    featureGates?: Readonly<Record<string, boolean>>;
    eventRecordQPS?: number;
    eventBurst?: number;
    registryPullQPS?: number;
    registryBurst?: number;
    preloadedImagesVerificationAllowlist?: readonly string[];
  }>;

const merged = (a: Settings, b: Settings): Settings => ({
  ...a,
  ...b,
  options: { ...a.options, ...b.options },
  server: { ...a.server, ...b.server },
});

// ---- fields ----

type Key<T> = {
  [K in keyof KubeletOptions]-?: NonNullable<KubeletOptions[K]> extends T ? K : never;
}[keyof KubeletOptions];

/** Takers for one option each. */
const int =
  (key: Key<number>, min: number, max?: number): Take =>
  (value, name) => ({ options: { [key]: integer(value, name, min, max) } });
const bool =
  (key: Key<boolean>): Take =>
  (value, name) => ({ options: { [key]: typed<boolean>(value, name, 'boolean') } });
const text =
  (key: Key<string>): Take =>
  (value, name) => ({ options: { [key]: typed<string>(value, name, 'string') } });
const list =
  (key: Key<readonly string[]>): Take =>
  (value, name) => ({ options: { [key]: texts(value, name) } });
/** 0 is the default. */
const span =
  (key: Key<number>): Take =>
  (value, name) => {
    const ms = milliseconds(value, name);
    return ms ? { options: { [key]: ms } } : {};
  };
const reserved =
  (key: 'systemReserved' | 'kubeReserved'): Take =>
  (value, name) => ({ options: { [key]: quantities(value, name) } });
const serving =
  (key: 'profiling' | 'debugging' | 'systemLogs' | 'logQueries'): Take =>
  (value, name) => ({ server: { [key]: typed<boolean>(value, name, 'boolean') } });
/** Looked at with others. */
const together =
  (check: (value: unknown, name: string) => unknown): Take =>
  (value, name) => {
    check(value, name);
    return {};
  };

const signals = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'containerfs.available',
  'containerfs.inodesFree',
  'allocatableMemory.available',
  'pid.available',
];

function thresholds(value: unknown, name: string): void {
  for (const signal of Object.keys(quantities(value, name, true)))
    if (!signals.includes(signal)) throw invalid(name, signal, 'unknown eviction signal');
}

const fields: Readonly<Record<string, Take>> = {
  ...Object.fromEntries(
    Object.entries({ ...managerFields, ...shutdownFields, ...staticPodFields, ...serverFields }).map(
      ([name, check]) => [name, together(check)],
    ),
  ),
  allowedUnsafeSysctls: list('allowedUnsafeSysctls'),
  clusterDNS: list('clusterDns'),
  clusterDomain: text('clusterDomain'),
  containerLogMaxFiles: int('containerLogMaxFiles', 2),
  containerLogMaxSize: (value, name) => {
    quantities({ size: value }, name);
    return { options: { containerLogMaxSizeBytes: bytesOf(value as string) } };
  },
  containerLogMaxWorkers: int('containerLogWorkers', 1),
  containerLogMonitorInterval: span('containerLogMonitorMs'),
  cpuCFSQuota: bool('enforceCpuQuota'),
  cpuCFSQuotaPeriod: (value, name) => {
    const ms = milliseconds(value, name);
    if (ms < 1 || ms > 1000) throw invalid(name, value, 'must be between 1ms and 1sec, inclusive');
    return { options: { cpuPeriodUs: ms * 1000 } };
  },
  crashLoopBackOff: (value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    const { maxContainerRestartPeriod: longest, ...others } = value;
    const unknown = Object.keys(others).map(field => `unknown field "${name}.${field}"`);
    if (unknown.length) throw new Error(`strict decoding error: ${unknown.join(', ')}`);
    if (longest === undefined || longest === null) return {};
    const at = `${name}.maxContainerRestartPeriod`;
    const ms = milliseconds(longest, at);
    if (ms < 1000 || ms > 300_000) throw invalid(at, longest, 'must be between 1s and 300s');
    return { options: { maxContainerBackOffMs: ms } };
  },
  enableDebuggingHandlers: serving('debugging'),
  enableProfilingHandler: serving('profiling'),
  enforceNodeAllocatable: (value, name) => {
    const chosen = texts(value, name);
    const other = chosen.find(option => option !== 'pods' && option !== 'none');
    if (other) throw invalid(name, other, 'only "pods" and "none" are there: nothing but pods is held to anything');
    if (chosen.includes('none') && chosen.length > 1) throw invalid(name, chosen, '"none" stands alone');
    return chosen.includes('pods') ? {} : { holdPods: false };
  },
  eventBurst: together((value, name) => integer(value, name, 0)),
  eventRecordQPS: together((value, name) => integer(value, name, 0)),
  failCgroupV1: bool('failCgroupV1'),
  localStorageCapacityIsolation: bool('localStorageIsolation'),
  oomScoreAdj: (value, name) => ({ oomScoreAdj: integer(value, name, -1000, 1000) }),
  podLogsDir: (value, name) => {
    const path = typed<string>(value, name, 'string');
    if (!path.startsWith('/') || normalize(path) !== path)
      throw invalid(name, value, 'pod logs path must be absolute and normalized');
    return { options: { podLogsDirectory: path } };
  },
  protectKernelDefaults: bool('protectKernelDefaults'),
  registryBurst: together((value, name) => integer(value, name, 0)),
  registryPullQPS: together((value, name) => integer(value, name, 0)),
  enableSystemLogHandler: serving('systemLogs'),
  enableSystemLogQuery: serving('logQueries'),
  evictionHard: together(thresholds),
  evictionMaxPodGracePeriod: together((value, name) => integer(value, name, 0)),
  evictionMinimumReclaim: together(thresholds),
  evictionPressureTransitionPeriod: together(milliseconds),
  evictionSoft: together(thresholds),
  evictionSoftGracePeriod: together((value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    for (const [signal, period] of Object.entries(value)) milliseconds(period, `${name}[${signal}]`);
  }),
  failSwapOn: bool('failSwapOn'),
  featureGates: together((value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    featureGates(value as Readonly<Record<string, boolean>>);
  }),
  fileCheckFrequency: span('fileCheckMs'),
  imageGCHighThresholdPercent: int('imageGcHighPercent', 0, 100),
  imageGCLowThresholdPercent: int('imageGcLowPercent', 0, 100),
  imageMaximumGCAge: span('imageMaximumGcAgeMs'),
  imageMinimumGCAge: span('imageMinimumGcAgeMs'),
  kubeReserved: reserved('kubeReserved'),
  imagePullCredentialsVerificationPolicy: (value, name) => ({
    options: { imagePullCredentialsVerificationPolicy: typed<VerificationPolicy>(value, name, 'string') },
  }),
  // Before how many there may be.
  serializeImagePulls: (value, name) => ({
    options: { parallelImagePulls: typed<boolean>(value, name, 'boolean') ? 1 : Number.POSITIVE_INFINITY },
  }),
  maxParallelImagePulls: int('parallelImagePulls', 1),
  maxPods: int('maxPods', 0),
  memorySwap: (value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    const { swapBehavior: behavior } = value;
    if (behavior === undefined || behavior === null || behavior === '') return {};
    if (behavior === 'NoSwap' || behavior === 'LimitedSwap') return { options: { swapBehavior: behavior } };
    throw invalid(`${name}.swapBehavior`, behavior, 'must be one of: "", "LimitedSwap" or "NoSwap"');
  },
  mergeDefaultEvictionSettings: together((value, name) => typed<boolean>(value, name, 'boolean')),
  nodeLeaseDurationSeconds: int('leaseDurationSeconds', 1),
  nodeStatusMaxImages: int('nodeStatusMaxImages', -1),
  nodeStatusReportFrequency: span('nodeStatusReportMs'),
  nodeStatusUpdateFrequency: span('nodeStatusUpdateMs'),
  podPidsLimit: (value, name) => {
    const limit = integer(value, name, -1, Number.MAX_SAFE_INTEGER);
    return limit > 0 ? { podPidsLimit: limit } : {};
  },
  podsPerCore: int('podsPerCore', 0),
  port: int('port', 1, 65_535),
  preloadedImagesVerificationAllowlist: list('preloadedImagesVerificationAllowlist'),
  providerID: text('providerId'),
  registerNode: bool('registerNode'),
  registerWithTaints: (value, name) => {
    const isTaint = (t: unknown) => isMap(t) && typeof t.key === 'string' && typeof t.effect === 'string';
    if (!Array.isArray(value) || !value.every(isTaint)) throw invalid(name, value, 'must be a list of taints');
    return { options: { registerWithTaints: value as Taint[] } };
  },
  reservedSystemCPUs: together(cpusIn),
  resolvConf: text('resolvConf'),
  seccompDefault: bool('seccompDefault'),
  singleProcessOOMKill: bool('singleProcessOomKill'),
  staticPodPath: text('staticPodPath'),
  systemReserved: reserved('systemReserved'),
  tracing: (value, name) => ({ options: { tracing: tracingSettings(value, name) } }),
  userNamespaces: (value, name) => {
    if (!isMap(value)) throw invalid(name, value, 'must be a map');
    const { idsPerPod } = value;
    if (idsPerPod === undefined || idsPerPod === null) return {};
    const at = `${name}.idsPerPod`;
    const ids = integer(idsPerPod, at, 65_536, 2 ** 32 - 1);
    if (ids % 65_536) throw invalid(at, ids, 'must be a multiple of 65536');
    return { options: { userNamespaceIdsPerPod: ids } };
  },
};

/** What the file may say, and a node of k8ts does its own way or not at all. */
const withoutEffect: ReadonlySet<string> = new Set(
  `cgroupDriver cgroupRoot cgroupsPerQOS configMapAndSecretChangeDetectionStrategy containerRuntimeEndpoint
  contentType enableContentionProfiling enableControllerAttachDetach enableDebugFlagsHandler hairpinMode
  imageServiceEndpoint iptablesDropBit iptablesMasqueradeBit kernelMemcgNotification kubeAPIBurst
  kubeAPIQPS kubeReservedCgroup kubeletCgroups logging makeIPTablesUtilChains maxOpenFiles memoryReservationPolicy
  memoryThrottlingFactor podCIDR qosReserved rotateCertificates runOnce runtimeRequestTimeout serverTLSBootstrap
  showHiddenMetricsForVersion streamingConnectionIdleTimeout syncFrequency
  systemCgroups systemReservedCgroup volumePluginDir volumeStatsAggPeriod`.split(/\s+/),
);

// ---- what concerns several of them ----

const checks: readonly ((given: Given) => void)[] = [
  ({ imageGCHighThresholdPercent: high = 85, imageGCLowThresholdPercent: low = 80 }) => {
    if (low < high) return;
    throw invalid('imageGCLowThresholdPercent', low, `must be less than imageGCHighThresholdPercent (${high})`);
  },
  ({ imageMinimumGCAge: least = '2m', imageMaximumGCAge: most }) => {
    if (!most || parseDuration(most) === 0 || parseDuration(most) > parseDuration(least)) return;
    throw invalid('imageMaximumGCAge', most, `must be greater than imageMinimumGCAge (${least})`);
  },
  ({ serializeImagePulls, maxParallelImagePulls: most = 1 }) => {
    if (!serializeImagePulls || most <= 1) return;
    throw invalid('maxParallelImagePulls', most, 'cannot be larger than 1 unless serializeImagePulls is false');
  },
  ({ evictionSoft = {}, evictionSoftGracePeriod: periods = {} }) => {
    for (const signal of Object.keys(evictionSoft))
      if (!periods[signal])
        throw new Error(`evictionSoft: grace period must be specified for the soft eviction threshold ${signal}`);
  },
  ({ imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: allowlist }) => {
    if (policy || allowlist) checkVerification(policy ?? 'NeverVerifyPreloadedImages', allowlist ?? []);
  },
  ({ cpuCFSQuotaPeriod: period, featureGates: gates }) => {
    if (period && parseDuration(period) !== 1e8 && !featureGates(gates ?? {})('CustomCPUCFSQuotaPeriod'))
      throw invalid('cpuCFSQuotaPeriod', period, 'requires feature gate CustomCPUCFSQuotaPeriod');
  },
  given => void managerSettings(given),
  given => void shutdownGroups(given),
  given => void serverSettings(given),
];

function derived(given: Given): Partial<KubeletOptions> {
  const { evictionHard, evictionSoft, evictionSoftGracePeriod, evictionMinimumReclaim } = given;
  const {
    evictionPressureTransitionPeriod: transition,
    evictionMaxPodGracePeriod,
    mergeDefaultEvictionSettings,
  } = given;
  const transitionMs = transition ? milliseconds(transition, 'evictionPressureTransitionPeriod') : 0;
  const graceMs = Object.entries(evictionSoftGracePeriod ?? {}).map(([signal, period]) => [
    signal,
    parseDuration(period) / 1e6,
  ]);
  const hard = mergeDefaultEvictionSettings ? { ...defaultEvictionHard, ...evictionHard } : evictionHard;
  // As it was before there were two of them.
  const { nodeStatusUpdateFrequency, nodeStatusReportFrequency } = given;
  const report = nodeStatusReportFrequency ? undefined : nodeStatusUpdateFrequency;
  const managers = managerSettings(given);
  const groups = shutdownGroups(given);
  return {
    ...reservationsOf(given),
    ...staticPodUrlOf(given),
    ...rateOf('eventRate', given.eventRecordQPS, given.eventBurst ?? 100),
    ...rateOf('imagePullRate', given.registryPullQPS, given.registryBurst ?? 10),
    ...(managers ? { managers } : {}),
    ...(groups.length ? { shutdown: { groups, source: logind() } } : {}),
    ...(hard ? { evictionHard: hard } : {}),
    ...(report ? { nodeStatusReportMs: parseDuration(report) / 1e6 } : {}),
    eviction: {
      ...(evictionSoft ? { soft: evictionSoft, softGraceMs: Object.fromEntries(graceMs) } : {}),
      ...(evictionMinimumReclaim ? { minimumReclaim: evictionMinimumReclaim } : {}),
      ...(transitionMs ? { transitionMs } : {}),
      ...(evictionMaxPodGracePeriod === undefined ? {} : { maxPodGraceSeconds: evictionMaxPodGracePeriod }),
    },
  };
}

/** Only where it is said how many; 0 is no limit. */
const rateOf = (key: 'eventRate' | 'imagePullRate', qps: number | undefined, burst: number): Partial<KubeletOptions> =>
  qps ? { [key]: { qps, burst } } : {};

/** Named CPUs take the place of amounts of them. */
function reservationsOf({ reservedSystemCPUs: named, systemReserved, kubeReserved }: Given): Partial<KubeletOptions> {
  if (!named) return {};
  const { cpu: _, ...others } = kubeReserved ?? {};
  const cpu = String(cpusIn(named, 'reservedSystemCPUs'));
  return { systemReserved: { ...systemReserved, cpu }, kubeReserved: others };
}
