// Devices as the rest of the kubelet sees them: those of device plugins and those of dynamic resource allocation.
import { join } from 'node:path';
import type { Container, Pod, ResourceStatus } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { aborted, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { GrpcServer } from '../../cri/grpc-server.ts';
import type { Host } from '../host/host.ts';
import type { Rejection } from '../kernel/admission.ts';
import { KubeletRoot } from '../plugin/kubelet-root.ts';
import type { PluginWatcher } from '../plugin/plugin-watcher.ts';
import type { PodEvents } from '../pod-event.ts';
import type { HintProvider } from '../topology/hint-provider.ts';
import type { MachineTopology } from '../topology/kernel/machine-topology.ts';
import { type DeviceCapacity, DeviceManager } from './device-manager.ts';
import { type DeviceOptions, deviceOptions } from './device-options.ts';
import { serveDeviceRegistration } from './device-server.ts';
import { DraManager } from './dra-manager.ts';
import type { Counts } from './kernel/device-book.ts';
import { type PlacedResources, servePodResources } from './pod-resources-server.ts';

export interface NodeDevicesOptions {
  /** The kubelet's. */
  readonly root: string;
  readonly nodeName: string;
  readonly client: Client;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: PodEvents;
  /** Absent: nobody asks where devices are. */
  readonly topology?: MachineTopology;
  activePods(): readonly Pod[];
  /** The health of a device of that pod is another one than before. */
  onHealth(podUid: string): void;
}

export class NodeDevices implements Service {
  readonly name = 'devices';
  readonly #o: NodeDevicesOptions;
  readonly #plugins: DeviceManager;
  readonly #dra: DraManager;
  readonly #root: KubeletRoot;
  #capacityChanged: () => void = () => {};
  #managers: PlacedResources | undefined;

  constructor(options: NodeDevicesOptions) {
    this.#o = options;
    this.#root = new KubeletRoot(options.root);
    const { root, nodeName, client, host, clock, log, activePods, onHealth } = options;
    const onCapacity = () => this.#capacityChanged();
    const directory = join(root, 'device-plugins');
    const { topology } = options;
    this.#plugins = new DeviceManager({
      ...{ directory, host, clock, log, activePods, onCapacity, onHealth },
      ...(topology ? { topology } : {}),
    });
    const checkpoint = join(root, 'dra_manager_state');
    this.#dra = new DraManager({ ...{ nodeName, client, checkpoint, host, clock, log, onHealth } });
  }

  /** Calls back when the node has more or fewer devices than before. */
  onCapacity(callback: () => void): void {
    this.#capacityChanged = callback;
  }

  /** As one who gives out a part of the machine. */
  get provider(): HintProvider {
    return this.#plugins;
  }

  /** Who has CPUs and memory, for monitoring agents. Before it runs. */
  tellOf(managers: PlacedResources): void {
    this.#managers = managers;
  }

  /** Before the watcher runs. */
  handle(watcher: PluginWatcher): void {
    watcher.registerHandler('DevicePlugin', this.#plugins.handler);
    watcher.registerHandler('DRAPlugin', this.#dra.plugins.handler);
  }

  /** Takes up what was known before a restart; before pods are taken on. */
  async restore(): Promise<void> {
    await this.#plugins.restore();
    await this.#dra.restore();
  }

  /** A node without its sockets still runs pods without devices. */
  async run(signal: AbortSignal): Promise<void> {
    const { root, host, log } = this.#o;
    this.#dra.plugins.start();
    const servers = await Promise.all([
      this.#serve(() =>
        serveDeviceRegistration({ directory: join(root, 'device-plugins'), manager: this.#plugins, host, log }),
      ),
      this.#serve(() =>
        servePodResources({
          ...{ directory: join(root, 'pod-resources'), host, plugins: this.#plugins, dra: this.#dra },
          pods: () => this.#o.activePods(),
          ...(this.#managers ? { managers: this.#managers } : {}),
        }),
      ),
    ]);
    await aborted(signal);
    await Promise.all([this.#plugins.stop(), this.#dra.stop(), ...servers.map(s => s?.close())]);
  }

  async #serve(listen: () => Promise<GrpcServer>): Promise<GrpcServer | undefined> {
    try {
      return await listen();
    } catch (error) {
      this.#o.log.error('serving node plugins failed', { error: messageOf(error) });
      return undefined;
    }
  }

  // ---- the node ----

  capacity(): DeviceCapacity {
    return this.#plugins.capacity();
  }

  held(): Counts {
    return this.#plugins.held();
  }

  // ---- pods ----

  /** Whether admission must ask plugins. */
  concerns(pod: Pod): boolean {
    return this.#plugins.concerns(pod);
  }

  async admit(pod: Pod): Promise<Rejection | undefined> {
    try {
      await this.#plugins.admit(pod);
      return undefined;
    } catch (error) {
      const message = `Pod was rejected: Allocate failed due to ${messageOf(error)}, which is unexpected`;
      return { reason: 'UnexpectedAdmissionError', message };
    }
  }

  /** Before the pod's sandbox is made. Rejects, after an event, when it cannot be made yet. */
  async prepare(pod: Pod): Promise<void> {
    try {
      await this.#dra.prepare(pod);
    } catch (error) {
      const text = `Failed to prepare dynamic resources: ${messageOf(error)}`;
      this.#o.events.pod(pod, 'Warning', 'FailedPrepareDynamicResources', text);
      throw error;
    }
  }

  /** When nothing of the pod runs any more, and before its status says so. */
  unprepare(podUid: string): Promise<void> {
    return this.#dra.unprepare(podUid);
  }

  /** Pods that must be unprepared one day. */
  holders(): ReadonlySet<string> {
    return this.#dra.holders();
  }

  /** What a container gets besides its spec; undefined: nothing. */
  async options(pod: Pod, container: Container): Promise<DeviceOptions | undefined> {
    const allocations = await this.#plugins.allocations(pod, container);
    const cdiDevices = this.#dra.cdiDevices(pod, container);
    if (!allocations.length && !cdiDevices.length) return undefined;
    return deviceOptions(allocations, cdiDevices, path => this.#root.toHost(path));
  }

  /** Undefined: the container has no devices. */
  health(pod: Pod, container: Container): readonly ResourceStatus[] | undefined {
    const all = [...this.#plugins.health(pod.metadata.uid ?? '', container.name), ...this.#dra.health(pod, container)];
    return all.length ? all : undefined;
  }
}
