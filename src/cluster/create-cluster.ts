// The library: a whole control plane in this process, on a clock the caller owns.
import { generateKeyPairSync } from 'node:crypto';
import { type Clock, settle, systemClock, VirtualClock } from '../base/clock.ts';
import { type Log, silentLog } from '../base/log.ts';
import { createMetrics, type Metrics } from '../base/metrics.ts';
import { type Random, seededRandom, systemRandom } from '../base/random.ts';
import { type CertificateAndKey, createCa, issueCertificate } from '../base/x509.ts';
import type { Client } from '../client/client.ts';
import { memoryStore } from '../store/memory-store.ts';
import type { Store, StoreEvent } from '../store/store.ts';
import type { ControlPlaneContext } from './component-context.ts';
import { controlPlaneParts } from './components.ts';
import { podCidrOfMany } from './config.ts';
import { runControlPlane } from './control-plane.ts';
import { parseDuration } from './duration.ts';
import { FaultInjector, type Faults } from './fault/faults.ts';
import { faultyClient } from './fault/faulty-client.ts';
import { compression } from './kubeconfig-file.ts';
import { checkNodeVersion } from './node-version.ts';
import type { SchedulerChoice } from './scheduler-settings.ts';
import { checkPodBehaviour, type PodBehaviour } from './simulation/pod-behaviour.ts';

export interface CreateClusterOptions {
  /** `virtualClock()` stands still until `advance`. Default: the machine's. */
  readonly clock?: Clock;
  /** Nodes whose containers are simulated; see `simulated`. Default 0. */
  readonly nodes?: number | SimulatedNodes;
  /** How simulated pods live and fail; the first that matches counts, an annotation `k8ts.local/simulate` before all. */
  readonly behaviours?: readonly PodBehaviour[];
  /** Parts to run beside the API server (controllers, scheduler, …). Default: all. */
  readonly components?: readonly string[];
  /** The same seed gives the same names, delays and order. Default: real chance. */
  readonly seed?: number;
  /** Which controllers run: `*`, NAME, -NAME. Default: all. */
  readonly controllers?: readonly string[];
  /** The scheduler's configuration, and plugins of one's own. */
  readonly scheduler?: SchedulerChoice;
  /** Switched by hand; others are as Kubernetes has them. */
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** Which versions and kinds are served besides Kubernetes' own, as --runtime-config: `certificates.k8s.io/v1beta1`. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  /** Where objects are kept. Default: in memory. */
  readonly store?: Store;
  readonly log?: Log;
  /** Told of every write in its order, once it is done. */
  readonly onWrite?: (write: StoreEvent) => void;
  /** Keys and certificates, which take a while to make; default new ones. */
  readonly identity?: ClusterIdentity;
}

export interface SimulatedNodes {
  readonly count: number;
}

export interface Cluster {
  /** Acts as the superuser. */
  readonly client: Client;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What a test may break: calls, watches, components, nodes. */
  readonly faults: Faults;
  /** Acts as a service account of kube-system, or as any user. */
  clientAs(identity: { userAgent?: string; serviceAccount?: string; user?: string }): Client;
  /** Resolves when nothing is left to do before time goes on; rejects, as what waits does, when a part has failed. */
  settled(): Promise<void>;
  /** Lets time pass ('90s', '1h30m', or milliseconds) and everything happen that falls due. Virtual clocks only. */
  advance(duration: string | number): Promise<void>;
  /** Settles and advances until `condition` gives something; throws when `timeout` of cluster time has passed. */
  until<T>(condition: () => T | Promise<T>, timeout?: string | number): Promise<NonNullable<T>>;
  /** Serves HTTPS on loopback; gives a kubeconfig for kubectl and other clients. */
  listen(port?: number): Promise<{ url: string; kubeconfig: string }>;
  stop(): Promise<void>;
}

export const virtualClock = (startMs?: number): VirtualClock => new VirtualClock(startMs);

/** `count` nodes whose pods run by themselves, without containers. */
export const simulated = (count: number): SimulatedNodes => ({ count });

const certificateDays = 365;

/** Resolves when the API server is ready and has settled; rejects when a part, which it names, cannot be started. */
export async function createCluster(options: CreateClusterOptions = {}): Promise<Cluster> {
  checkNodeVersion();
  const clock = options.clock ?? systemClock;
  const random = options.seed === undefined ? systemRandom : seededRandom(options.seed);
  const log = options.log ?? silentLog;
  const store = options.store ?? memoryStore({ clock });
  const { onWrite } = options;
  if (onWrite)
    store.watch('/registry/', store.revision, {
      onEvents: writes => writes.forEach(w => void onWrite(w)),
      onError() {},
    });
  const identity = options.identity ?? (await createClusterIdentity(clock, random));
  const { createApiServer } = await import('../apiserver/server.ts');
  const metrics = createMetrics();
  const nodeUsage: ControlPlaneContext['nodeUsage'] = new Map();
  const decisions: NonNullable<ControlPlaneContext['decisions']> = {};
  const api = createApiServer({
    components: ['scheduler', 'controller-manager'],
    store,
    nodeUsage: name => nodeUsage.get(name),
    decisions: uid => decisions.of?.(uid),
    clock,
    random,
    log,
    metrics,
    tls: {
      cert: identity.serving.certificatePem,
      key: identity.serving.keyPem,
      clientCa: identity.ca.certificatePem,
    },
    serviceAccountKeys: identity.serviceAccount,
    ...(options.featureGates ? { featureGates: options.featureGates } : {}),
    ...(options.runtimeConfig ? { runtimeConfig: options.runtimeConfig } : {}),
  });
  const nodes = options.nodes ?? 0;
  const manyNodes = (typeof nodes === 'number' ? nodes : nodes.count) > 250;
  const faults = new FaultInjector(clock, random);
  const context: ControlPlaneContext = {
    config: {
      cluster: 'k8ts',
      pkiDirectory: '',
      storeDirectory: '',
      advertise: { address: '127.0.0.1', port: 6443 },
      serverNames: [],
      serverAddresses: [],
      podCidr: manyNodes ? podCidrOfMany : '10.244.0.0/16',
      serviceCidr: '10.96.0.0/12',
      clusterDomain: 'cluster.local',
      ...(options.components ? { components: options.components } : {}),
      ...(options.controllers ? { controllers: options.controllers } : {}),
      ...(options.featureGates ? { featureGates: options.featureGates } : {}),
      behaviours: (options.behaviours ?? []).map(checkPodBehaviour),
      simulatedNodes: typeof nodes === 'number' ? nodes : nodes.count,
      maxPods: 110,
    },
    clock,
    random,
    log,
    metrics: api.metrics,
    nodeUsage,
    decisions,
    ...(options.scheduler ? { scheduler: options.scheduler } : {}),
    clusterCa: identity.ca.certificatePem,
    clusterSigning: identity.ca,
    serviceAccountKey: identity.serviceAccount.privateKey,
    onNode: (name, node) => faults.addNode(name, node),
    mortalClient: (as, life) => faultyClient(api.client(as), as.userAgent, life, faults),
    client: as => api.client(as),
  };
  const stopping = new AbortController();
  const parts = options.components?.length ?? controlPlaneParts.length;
  let failed = false;
  // Without one of its parts the control plane stops, and nobody moves the clock for what the others still wait for.
  const fail = (error: unknown) => {
    failed = true;
    faults.endAll();
    throw error;
  };
  const running = runControlPlane(api, context, stopping.signal, async (part, given) => {
    const service = await faults.supervise(part, given, parts).catch(fail);
    return { name: service.name, run: signal => service.run(signal).catch(fail) };
  });
  running.catch(() => {});
  const failure = () => (failed ? running : undefined);
  const cluster = facade({
    api,
    context,
    store,
    stopping,
    running,
    failure,
    identity,
    faults,
    inMemory: !options.store,
  });
  try {
    await Promise.race([api.ready, running]);
    if (parts > 0) await Promise.race([faults.allMade, running]);
    await cluster.settled();
  } catch (error) {
    if (!options.store) await store.close();
    throw error;
  }
  return cluster;
}

/** The certificate authority of a cluster and what it signs at first. */
export interface ClusterIdentity {
  readonly ca: CertificateAndKey;
  readonly serving: CertificateAndKey;
  readonly admin: CertificateAndKey;
  readonly serviceAccount: { readonly privateKey: string; readonly publicKeys: readonly string[] };
}

export async function createClusterIdentity(clock: Clock, random: Random): Promise<ClusterIdentity> {
  const making = { nowMs: clock.now(), random, days: certificateDays };
  const ca = await createCa({ commonName: 'kubernetes', ...making });
  const serving = await issueCertificate(ca, {
    subject: { commonName: 'kube-apiserver', organizations: [] },
    dnsNames: ['localhost', 'kubernetes.default.svc'],
    ipAddresses: ['127.0.0.1'],
    usages: 'server',
    ...making,
  });
  const admin = await issueCertificate(ca, {
    subject: { commonName: 'kubernetes-admin', organizations: ['system:masters'] },
    dnsNames: [],
    ipAddresses: [],
    usages: 'client',
    ...making,
  });
  // A curve: made and used at once, without a thread that a virtual clock would not wait for.
  const keys = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { ca, serving, admin, serviceAccount: { privateKey: keys.privateKey, publicKeys: [keys.publicKey] } };
}

interface Running {
  readonly api: import('../apiserver/server.ts').ApiServer;
  readonly context: ControlPlaneContext;
  readonly store: Store;
  readonly stopping: AbortController;
  readonly running: Promise<void>;
  /** Rejects with why a part has failed; undefined while all run. */
  failure(): Promise<void> | undefined;
  readonly identity: ClusterIdentity;
  readonly faults: FaultInjector;
  readonly inMemory: boolean;
}

// A change may take a few turns of the event loop to reach everybody who acts on it.
const quietTurns = 8;
const pollMs = 20;

function facade({ api, context, store, stopping, running, failure, identity, faults, inMemory }: Running): Cluster {
  const { clock } = context;

  let listening = false;

  function settled(): Promise<void> {
    return inMemory && !listening ? settledInMemory() : calm().then(failure);
  }

  // With nothing but memory to wait for, all has run that does not wait for an immediate itself. One promise: a day of a
  // hundred nodes settles a million times.
  const settledInMemory = () =>
    new Promise<void>(resolve => {
      const look = () => {
        if (process.getActiveResourcesInfo().includes('Immediate')) setImmediate(look);
        else resolve(failure());
      };
      setImmediate(look);
    });

  async function calm(): Promise<void> {
    let revision = -1;
    for (let quiet = 0; quiet < quietTurns; quiet++) {
      await settle();
      if (store.revision === revision) continue;
      revision = store.revision;
      quiet = 0;
    }
  }

  async function advance(duration: string | number): Promise<void> {
    if (!(clock instanceof VirtualClock))
      throw new Error('advance: the cluster runs on the real clock; create it with clock: virtualClock()');
    const ms = typeof duration === 'number' ? duration : parseDuration(duration);
    await clock.advance(ms, settled);
  }

  return {
    client: api.client({ userAgent: 'k8ts-test' }),
    clock,
    metrics: api.metrics,
    faults,
    clientAs: as => api.client({ userAgent: 'k8ts-test', ...as }),
    settled,
    advance,
    async until(condition, timeout = '5m') {
      const limitMs = typeof timeout === 'number' ? timeout : parseDuration(timeout);
      const startMs = clock.monotonic();
      for (;;) {
        await settled();
        const found = await condition();
        if (found) return found as never;
        if (clock.monotonic() - startMs >= limitMs)
          throw new Error(`until: the condition did not come true within ${timeout} of cluster time`);
        if (clock instanceof VirtualClock)
          await clock.advance(Math.min(clock.untilNext() ?? limitMs, limitMs), settled);
        else await clock.sleep(pollMs);
      }
    },
    async listen(port = 0) {
      listening = true;
      const bound = await api.listenOn({ host: '127.0.0.1', port });
      const url = `https://127.0.0.1:${bound.port}`;
      return { url, kubeconfig: kubeconfigOf(url, identity) };
    },
    async stop() {
      stopping.abort();
      const ended = running.catch(() => {});
      // Time does not pass any more for what still waits.
      if (clock instanceof VirtualClock) faults.endAll();
      await ended;
      await store.close();
    },
  };
}

function kubeconfigOf(url: string, { ca, admin }: ClusterIdentity): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  return JSON.stringify(
    {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        {
          name: 'k8ts',
          cluster: { server: url, 'certificate-authority-data': base64(ca.certificatePem), ...compression(url) },
        },
      ],
      users: [
        {
          name: 'k8ts',
          user: {
            'client-certificate-data': base64(admin.certificatePem),
            'client-key-data': base64(admin.keyPem),
          },
        },
      ],
      contexts: [{ name: 'k8ts', context: { cluster: 'k8ts', user: 'k8ts' } }],
      'current-context': 'k8ts',
    },
    null,
    2,
  );
}
