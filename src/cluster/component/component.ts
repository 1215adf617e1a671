// Controllers, scheduler and service proxy as programs of their own, beside any API server of Kubernetes 1.36.
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { featureGates } from '../../api/feature-gates.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { runAll, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import { createMetrics, type Metrics } from '../../base/metrics.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import type { Client } from '../../client/client.ts';
import { fencedClient } from '../../client/fenced-client.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { LeadershipLostError, runAsLeader } from '../../client/leader-election.ts';
import { createSeriesRecorder } from '../../client/series-recorder.ts';
import type { ControllerTuning } from '../../controllers/tuning.ts';
import { exec } from '../host/exec.ts';
import { dumpOnSignal } from '../scheduler-dump.ts';
import { connectTo } from './connection.ts';
import { createStatusServer } from './status-server.ts';

export interface ComponentContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface CommonOptions {
  readonly kubeconfig?: string;
  /** Default true for those that may run only once. */
  readonly leaderElect?: boolean;
  /** Of /healthz and /metrics, on `bindAddress`; 0: none. */
  readonly statusPort: number;
  readonly bindAddress: string;
}

export interface ControllersOptions extends CommonOptions {
  readonly clusterCidr?: string;
  /** As --controllers of Kubernetes: `*`, names, `-name`. */
  readonly controllers?: readonly string[];
  readonly rootCaFile?: string;
  readonly clusterSigningCertFile?: string;
  readonly clusterSigningKeyFile?: string;
  readonly serviceAccountPrivateKeyFile?: string;
  readonly featureGates?: Readonly<Record<string, boolean>>;
  readonly tuning?: ControllerTuning;
}

export interface SchedulerOptions extends CommonOptions {
  /** KubeSchedulerConfiguration. */
  readonly config?: string;
  /** Modules with plugins. */
  readonly plugin?: readonly string[];
  readonly featureGates?: Readonly<Record<string, boolean>>;
}

export interface ProxyOptions extends CommonOptions {
  readonly nodeName: string;
  /** One, or one of each family. */
  readonly nodeAddresses: readonly string[];
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  readonly featureGates?: Readonly<Record<string, boolean>>;
}

/** Throws an error that names the file. */
function readText(file: string, what: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`reading ${what} ${file}: ${messageOf(error)}`, { cause: error });
  }
}

/** Runs until the signal aborts; rejects when it lost the lead or cannot go on. */
export async function runControllersAlone(
  options: ControllersOptions,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<void> {
  const [{ allControllers }, { controllersOffByDefault, knownControllers, longControllerNames }, { runControllers }] =
    await Promise.all([
      import('../../controllers/index.ts'),
      import('../../controllers/controller-alias.ts'),
      import('../../engine/engine.ts'),
    ]);
  const name = 'kube-controller-manager';
  await runAlone(name, options, context, signal, (client, metrics, ca) => {
    const { clock, random, log } = context;
    const { rootCaFile, clusterSigningCertFile: cert, clusterSigningKeyFile: key } = options;
    const controllers = allControllers({
      featureEnabled: featureGates(options.featureGates),
      ...(options.tuning ? { tuning: options.tuning } : {}),
      clusterCa: rootCaFile ? readText(rootCaFile, '--root-ca-file') : ca,
      ...(options.clusterCidr ? { podCidr: options.clusterCidr } : {}),
      ...(cert && key
        ? {
            clusterSigning: {
              certificatePem: readText(cert, '--cluster-signing-cert-file'),
              keyPem: readText(key, '--cluster-signing-key-file'),
            },
          }
        : {}),
      ...(options.serviceAccountPrivateKeyFile
        ? { serviceAccountKey: readText(options.serviceAccountPrivateKeyFile, '--service-account-private-key-file') }
        : {}),
    });
    const informers = createInformerFactory(client, { clock, random, log });
    const selection = {
      ...(options.controllers?.length ? { select: longControllerNames(options.controllers) } : {}),
      offByDefault: controllersOffByDefault,
      known: knownControllers,
    };
    return [
      {
        name: 'controllers',
        run: s => runControllers(controllers, { client, informers, clock, random, log, metrics, ...selection }, s),
      },
      { name: 'informers', run: s => informers.run(s) },
    ];
  });
}

/** The same for the scheduler. */
export async function runSchedulerAlone(
  options: SchedulerOptions,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<void> {
  const [{ createScheduler }, { readSchedulerFiles, settingsOf }] = await Promise.all([
    import('../../scheduler/scheduler.ts'),
    import('../scheduler-settings.ts'),
  ]);
  const { config, plugin: plugins } = options;
  const files = { ...(config ? { config } : {}), ...(plugins ? { plugins } : {}) };
  const settings = await settingsOf(await readSchedulerFiles(files));
  await runAlone('kube-scheduler', options, context, signal, (client, metrics) => {
    const { clock, random, log } = context;
    const informers = createInformerFactory(client, { clock, random, log });
    const featureEnabled = featureGates(options.featureGates);
    const scheduler = createScheduler({
      ...{ client, informers, clock, random, log, metrics, featureEnabled, host: hostname() },
      ...settings,
    });
    const dump = dumpOnSignal(() => scheduler.dump(), log);
    return [scheduler, dump, { name: 'informers', run: s => informers.run(s) }];
  });
}

/** The same for the service proxy of this machine, in its own network namespace. */
export async function runProxyAlone(
  options: ProxyOptions,
  context: ComponentContext,
  signal: AbortSignal,
): Promise<void> {
  const { createServiceProxy } = await import('../../proxy/service-proxy.ts');
  await runAlone('kube-proxy', { ...options, leaderElect: false, statusPort: 0 }, context, signal, client => {
    const { clock, random, log } = context;
    const informers = createInformerFactory(client, { clock, random, log });
    const proxy = createServiceProxy({
      nodeName: options.nodeName,
      nodeAddresses: options.nodeAddresses,
      podCidrs: options.clusterCidr.split(','),
      serviceCidrs: options.serviceCidr.split(','),
      externalIps: featureGates(options.featureGates)('AllowServiceExternalIPs'),
      informers,
      events: createSeriesRecorder(client, {
        ...{ component: 'kube-proxy', host: options.nodeName, clock, random, log },
      }),
      run: (command, args, input) => exec(command, args, input === undefined ? {} : { input }),
      clock,
      random,
      log,
    });
    return [proxy, { name: 'informers', run: s => informers.run(s) }];
  });
}

const kubernetesVersion = '1.36.2';

/** As on a command line, for /flagz; those that are not texts, numbers or switches are left out. */
function flagsOf(options: object): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const [name, value] of Object.entries(options)) {
    const text = Array.isArray(value) ? `[${value.join(',')}]` : String(value);
    if (Array.isArray(value) || typeof value !== 'object')
      flags[name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)] = text;
  }
  return flags;
}

type Make = (client: Client, metrics: Metrics, ca: string) => Service[];

async function runAlone(
  name: string,
  options: CommonOptions,
  context: ComponentContext,
  signal: AbortSignal,
  make: Make,
): Promise<void> {
  const { clock, random, log } = context;
  const metrics = createMetrics();
  const { client, ca, close } = connectTo({
    ...(options.kubeconfig ? { kubeconfig: options.kubeconfig } : {}),
    userAgent: name,
    clock,
    log,
    metrics,
  });
  const work = (own: Client): Service => ({ name, run: s => runAll(make(own, metrics, ca), s) });
  const leading: Service = {
    name: 'leader election',
    run: s =>
      runAsLeader(
        { client, name, identity: `${hostname()}_${randomUuid(random)}`, clock, random, log, metrics },
        s,
        term => {
          term.addEventListener('abort', () => lost(term.reason), { once: true });
          return work(fencedClient(client, term)).run(term);
        },
      ),
  };
  // What is still on its way would be written beside the next leader.
  const lost = (reason: unknown) => {
    if (!(reason instanceof LeadershipLostError)) return;
    log.error('leadership is lost', { error: reason });
    close();
  };
  const status = options.statusPort
    ? [
        createStatusServer({
          ...{ host: options.bindAddress, port: options.statusPort, metrics },
          debug: { component: name, version: kubernetesVersion, flags: flagsOf(options), clock },
        }),
      ]
    : [];
  try {
    await runAll([...status, options.leaderElect === false ? work(client) : leading], signal);
  } finally {
    close();
  }
}
