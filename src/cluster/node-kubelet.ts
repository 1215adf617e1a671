// The kubelet of a node with containers, as this cluster wants it.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';
import { featureGates } from '../api/feature-gates.ts';
import { aborted, runAll, type Service } from '../base/lifecycle.ts';
import type { TlsFiles } from '../client/tls-files.ts';
import { Cgroups } from '../cri/cgroup.ts';
import { gatedRuntime } from '../cri/gated-runtime.ts';
import { createKubelet } from '../kubelet/kubelet.ts';
import { linuxPodCgroups, shareOfPods } from '../kubelet/linux-cgroups.ts';
import { createKubeletServer } from '../kubelet/server/server.ts';
import type { ServingTls } from '../kubelet/server/serving-tls.ts';
import { createWatchdog, watchdogSettings } from '../kubelet/watchdog/watchdog.ts';
import type { NodeContext } from './component-context.ts';
import { readCredentialProviders } from './credential-provider-file.ts';
import { noKubeletSettings, readKubeletConfiguration } from './kubelet-configuration.ts';

// Several nodes share the machine's disk and none of them owns it: what others fill is no reason to evict.
const evictionHard = {
  'memory.available': '100Mi',
  'nodefs.available': '0%',
  'nodefs.inodesFree': '0%',
  'imagefs.available': '0%',
};

// 100 pods at once on two processors: 10.9 s with two starts a processor, 16 s with all of them.
const startsPerProcessor = 2;

/** What the files hold that a configuration names. */
function heldBy({ cert, key, ca }: TlsFiles = {}): Partial<Pick<ServingTls, 'cert' | 'key' | 'clientCa'>> {
  const read = (file: string) => readFileSync(file, 'utf8');
  return { ...(cert && key ? { cert: read(cert), key: read(key) } : {}), ...(ca ? { clientCa: read(ca) } : {}) };
}

export function createNodeKubelet(context: NodeContext): Service {
  const { config, clock, random, log, runtime } = context;
  const cgroups = new Cgroups({ parent: config.cgroup, clock });
  const staticPodPath = join(config.stateDirectory, 'manifests');
  // There from the start, so that it can be watched.
  mkdirSync(staticPodPath, { recursive: true });
  const file = config.kubeletFiles?.config;
  const settings = file ? readKubeletConfiguration(file) : noKubeletSettings;
  const { options, podPidsLimit, holdPods = true, oomScoreAdj, withoutEffect } = settings;
  if (oomScoreAdj !== undefined) writeFileSync('/proc/self/oom_score_adj', String(oomScoreAdj));
  if (withoutEffect.length) log.warn('fields of the kubelet configuration have no effect', { file, withoutEffect });
  const kubelet = createKubelet({
    nodeName: config.nodeName,
    client: context.kubeletClient,
    heartbeat: context.heartbeat,
    informers: context.kubeletInformers,
    runtime: gatedRuntime(runtime, startsPerProcessor * availableParallelism()),
    clock,
    random,
    log: log.with({ part: 'kubelet' }),
    rootDirectory: join(config.stateDirectory, 'kubelet'),
    podLogsDirectory: join(config.stateDirectory, 'pod-log'),
    staticPodPath,
    clusterDns: [config.clusterDns],
    clusterDomain: config.clusterDomain,
    resolvConf: config.resolvConf,
    maxPods: config.maxPods,
    cgroups: linuxPodCgroups(cgroups, {
      ...(holdPods
        ? {
            allocatable: shareOfPods({ cpuMilli: availableParallelism() * 1000, memoryBytes: totalmem() }, [
              options.systemReserved,
              options.kubeReserved,
            ]),
          }
        : {}),
      ...(options.cpuPeriodUs === undefined ? {} : { cpuPeriodUs: options.cpuPeriodUs }),
      enforceCpuQuota: options.enforceCpuQuota ?? true,
      ...(podPidsLimit === undefined ? {} : { podPidsLimit }),
    }),
    nodeIps: [config.nodeAddress],
    evictionHard,
    imageGcHighPercent: 100,
    failSwapOn: false,
    volumeHealth: featureGates(config.featureGates)('CSIVolumeHealth'),
    ...readCredentialProviders(config.kubeletFiles),
    ...options,
  });
  const { enabled = true, tls, ...serving } = settings.server;
  const server = createKubeletServer({
    kubelet,
    client: context.kubeletClient,
    clock,
    log: log.with({ part: 'kubelet server' }),
    cgroups,
    ...serving,
    ...(options.port === undefined ? {} : { port: options.port }),
    tls: {
      cert: config.kubeletServing.certificate,
      key: config.kubeletServing.key,
      clientCa: config.certificateAuthority,
      ...tls,
      ...heldBy(tls?.files),
    },
    config: {
      clusterDNS: [config.clusterDns],
      clusterDomain: config.clusterDomain,
      maxPods: config.maxPods,
      resolvConf: config.resolvConf,
      evictionHard,
      cgroupDriver: 'cgroupfs',
      cgroupRoot: config.cgroup,
      failSwapOn: false,
      imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
      authentication: { anonymous: { enabled: false }, webhook: { enabled: true } },
      authorization: { mode: 'Webhook' },
      ...settings.given,
    },
  });
  const watched = watchdogSettings(process.env, process);
  const watchdog =
    watched &&
    createWatchdog({ ...watched, clock, log, ready: () => kubelet.ready(), problems: () => kubelet.problems() });
  return {
    name: 'kubelet',
    async run(signal) {
      await Promise.race([context.runtimeReady, aborted(signal)]);
      if (!signal.aborted)
        await runAll([kubelet, ...(enabled ? [server] : []), ...(watchdog ? [watchdog] : [])], signal);
    },
  };
}
