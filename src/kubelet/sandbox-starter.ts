import { nodeV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Log } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { PodSandboxConfig } from '../cri/type.ts';
import type { PodCgroups } from './cgroup.ts';
import type { Host } from './host/host.ts';
import { parseResolvConf, podDns, podHostname } from './kernel/dns.ts';
import { sandboxConfig } from './kernel/sandbox-config.ts';
import type { SecurityOptions } from './kernel/security.ts';
import type { PodEvents } from './pod-event.ts';
import { identityOf, type PodPaths } from './pod-path.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import { UserNamespaces } from './user-namespaces.ts';

export interface SandboxStarterOptions {
  readonly runtime: ContainerRuntime;
  readonly client: Client;
  readonly host: Host;
  readonly log: Log;
  readonly events: PodEvents;
  readonly paths: PodPaths;
  readonly cgroups: PodCgroups;
  readonly cache: RuntimeCache;
  readonly security: SecurityOptions;
  /** Users of a pod with a user namespace of its own. */
  readonly idsPerPod: number;
  /** Whether the runtime gives a handler's pods user namespaces; undefined when it says nothing of its handlers. */
  userNamespaces(handler: string): boolean | undefined;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  readonly resolvConf: string;
}

export class SandboxStarter {
  readonly #o: SandboxStarterOptions;
  readonly #users: UserNamespaces;

  constructor(options: SandboxStarterOptions) {
    this.#o = options;
    this.#users = new UserNamespaces(options.host, options.paths, options.idsPerPod);
  }

  /** The pod has left no trace. */
  forgetPod(uid: string): void {
    this.#users.release(uid);
  }

  /** Makes and starts the pod's sandbox. Rejects after an event, without one when it is to end. */
  async start(pod: Pod, attempt: number, signal: AbortSignal): Promise<void> {
    let id: string | undefined;
    try {
      const handler = await this.runtimeHandler(pod);
      if (pod.spec.hostUsers === false) this.#requireUserNamespaces(handler);
      const config = await this.config(pod, attempt, true);
      await this.#o.host.makeDirectory(config.log_directory ?? '', 0o755);
      const { runtime, cache } = this.#o;
      id = await cache.making(identityOf(pod), async () => {
        const made = await runtime.RunPodSandbox({ config, runtime_handler: handler }, { timeoutMs: 240_000, signal });
        return made.pod_sandbox_id ?? '';
      });
      await cache.lookAtSandbox(pod.metadata.uid, id);
    } catch (error) {
      if (signal.aborted) throw error;
      const message = messageOf(error);
      const [reason, what] =
        id === undefined
          ? (['FailedCreatePodSandBox', 'Failed to create pod sandbox'] as const)
          : (['FailedPodSandBoxStatus', 'Unable to get pod sandbox status'] as const);
      this.#o.events.pod(pod, 'Warning', reason, `${what}: ${message}`);
      throw error;
    }
  }

  /** The same for the same pod and attempt: containers are made with it too. */
  async config(pod: Pod, attempt: number, warn = false): Promise<PodSandboxConfig> {
    const { hostname } = podHostname(pod, this.#o.clusterDomain);
    const host = parseResolvConf((await this.#o.host.readFile(this.#o.resolvConf)) ?? '');
    const { clusterDns, clusterDomain } = this.#o;
    const dns = podDns({ pod, host, clusterDns, clusterDomain });
    if (warn) for (const w of dns.warnings) this.#o.events.pod(pod, 'Warning', w.reason, w.message);
    return sandboxConfig({
      ...this.#o.security,
      pod,
      ...(pod.spec.hostUsers === false ? { users: await this.#users.mappingOf(pod) } : {}),
      attempt,
      hostname,
      dns: dns.config,
      logDirectory: this.#o.paths.podLogs(identityOf(pod)),
      cgroupParent: this.#o.cgroups.parentOf(pod),
    });
  }

  // A runtime that does not know them would run the pod as root of the host.
  #requireUserNamespaces(handler: string): void {
    const supported = this.#o.userNamespaces(handler);
    if (supported === undefined) throw new Error('runtime handlers are not set');
    if (!supported) throw new Error(`RuntimeClass handler "${handler}" does not support user namespaces`);
  }

  async runtimeHandler(pod: Pod): Promise<string> {
    const name = pod.spec.runtimeClassName;
    if (!name) return '';
    try {
      return (await this.#o.client.get(nodeV1.runtimeclasses, { name })).handler;
    } catch (error) {
      if (isNotFound(error)) throw new Error(`RuntimeClass "${name}" not found`, { cause: error });
      throw error;
    }
  }
}
