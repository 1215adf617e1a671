// What parts of a cluster are given to live with.
import type { UsageReading } from '../apiserver/usage/kernel/reading.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { CertificateAndKey } from '../base/x509.ts';
import type { Client } from '../client/client.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { KubeletOptions } from '../kubelet/option.ts';
import type { Life, NodeSwitch } from './fault/life.ts';
import type { AgentConfig, ServerConfig } from './role.ts';
import type { SchedulerChoice } from './scheduler-settings.ts';

interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** What a part of the control plane is given. */
export interface ControlPlaneContext extends Surroundings {
  readonly config: ServerConfig;
  readonly metrics: Metrics;
  /** PEM of the CA that verifies the API server. */
  readonly clusterCa: string;
  /** What signs certificates of nodes and users that are asked for through the API. */
  readonly clusterSigning?: CertificateAndKey;
  /** RSA or EC, PEM: signs tokens of service accounts. */
  readonly serviceAccountKey?: string;
  /** Where nodes in this process leave the way to read their counters, by name; the API server finds it there. */
  readonly nodeUsage?: Map<string, () => Promise<UsageReading>>;
  /** How the scheduler is configured; besides the files of the configuration. */
  readonly scheduler?: SchedulerChoice;
  /** Where the scheduler leaves the way to ask it about a pod, and about everything it knows. */
  readonly decisions?: { of?: (uid: string) => object | undefined; dump?: () => string };
  /** Told of each simulated node, which can be switched off and on. */
  readonly onNode?: (name: string, node: NodeSwitch) => void;
  /** As `client`, but silent once the life is over: for what is switched off without a farewell. */
  readonly mortalClient?: (identity: { userAgent: string }, life: Life) => Client;
  /** In-process; as a service account of kube-system, as a named user, or as the superuser. */
  client(identity: { userAgent: string; serviceAccount?: string; user?: string }): Client;
}

/** What a part of a node is given. */
export interface NodeContext extends Surroundings {
  readonly config: AgentConfig;
  /** Acts as system:node:NAME. */
  readonly kubeletClient: Client;
  readonly heartbeat: NonNullable<KubeletOptions['heartbeat']>;
  readonly kubeletInformers: InformerFactory;
  /** Acts as system:kube-proxy: reads services, endpoints and nodes. */
  readonly proxyClient: Client;
  readonly proxyInformers: InformerFactory;
  readonly runtime: ContainerRuntime;
  /** The runtime answers and has the pause image. */
  readonly runtimeReady: Promise<void>;
}
