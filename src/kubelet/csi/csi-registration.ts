// The drivers of this node: takes them on as they register, and tells the cluster of them in CSINode and Node.
import { cloneDeep } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { CSINode, CSINodeDriver } from '../../api/type/storage-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { nearNumber } from '../../base/whole-number.ts';
import type { Client } from '../../client/client.ts';
import { WatchedList } from '../credential/watched-list.ts';
import type { KubeletRoot } from '../plugin/kubelet-root.ts';
import type { PluginHandler } from '../plugin/plugin-watcher.ts';
import { type CsiConnection, CsiDriver, connectCsi, type ToDriver } from './csi-client.ts';
import type { NodeInfo } from './csi-type.ts';
import { versionProblem } from './kernel/csi-name.ts';

export interface CsiDriversOptions {
  readonly client: Client;
  readonly nodeName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly root: KubeletRoot;
  /** Default: over gRPC. */
  readonly connect?: (endpoint: string, clock: Clock) => CsiConnection;
  /** A driver has come or gone: what waited for it may go on. */
  onChange(): void;
}

const nodeIdAnnotation = 'csi.volume.kubernetes.io/nodeid';
const migratedAnnotation = 'storage.alpha.kubernetes.io/migrated-plugins';
/** Plugins that Kubernetes once had itself; their volumes belong to drivers. */
const migratedPlugins = ['aws-ebs', 'azure-disk', 'azure-file', 'cinder', 'gce-pd', 'portworx-volume', 'vsphere-volume']
  .map(n => `kubernetes.io/${n}`)
  .join(',');
const maxConflicts = 10;
/** The shortest period that a CSIDriver may ask for. */
const leastRefreshMs = 10_000;

export class CsiDrivers implements PluginHandler {
  readonly #o: CsiDriversOptions;
  readonly #drivers = new Map<string, CsiDriver>();

  constructor(options: CsiDriversOptions) {
    this.#o = options;
  }

  get(name: string): CsiDriver | undefined {
    return this.#drivers.get(name);
  }

  validate(name: string, _endpoint: string, versions: readonly string[]): void {
    const problem = versionProblem(name, versions);
    if (problem) throw new Error(problem);
    if (this.#drivers.has(name))
      throw new Error(
        `kubernetes.io/csi: RegisterPlugin for CSI driver "${name}" failed. Another driver with the same name is already registered with a higher supported version: "${versions[0]}"`,
      );
  }

  async register(name: string, endpoint: string, _versions: readonly string[], said: string): Promise<void> {
    const { clock, root, log, connect = connectCsi } = this.#o;
    const toDriver: ToDriver = root.speaksStock(said) ? path => root.toStock(path) : path => path;
    const driver = new CsiDriver(name, connect(endpoint, clock), toDriver);
    this.#drivers.set(name, driver);
    try {
      const info = await driver.node.NodeGetInfo({});
      if (!info.node_id) throw new Error(`error adding CSI driver node info: nodeID must not be empty`);
      await this.#tellNode(name, info);
      await this.#tellDrivers(list => [...list.filter(d => d.name !== name), driverEntry(name, info)]);
    } catch (error) {
      this.#forget(name);
      await this.#untell(name).catch(e => log.warn('taking a driver back failed', { driver: name, error: e }));
      throw error;
    }
    this.#o.onChange();
  }

  /** Asks those drivers whose objects want it anew and anew how many volumes the node can have. */
  async run(signal: AbortSignal): Promise<void> {
    const { client, clock } = this.#o;
    const objects = new WatchedList({ client, clock, resources: [storageV1.csidrivers], onChange() {} });
    const askedMs = new Map<string, number>();
    while (!signal.aborted) {
      await clock.sleep(leastRefreshMs, signal).catch(() => {});
      if (signal.aborted || this.#drivers.size === 0) continue;
      const periods = await objects.list().catch(() => []);
      for (const { metadata, spec } of periods) {
        const { name = '' } = metadata;
        const seconds = nearNumber(spec.nodeAllocatableUpdatePeriodSeconds);
        const now = clock.monotonic();
        if (!seconds || !this.#drivers.has(name) || now - (askedMs.get(name) ?? 0) < seconds * 1000) continue;
        askedMs.set(name, now);
        await this.refresh(name);
      }
    }
    objects.stop();
  }

  /** Asks a driver anew how many volumes the node can have, and tells it. Never rejects. */
  async refresh(name: string): Promise<void> {
    try {
      const info = await this.#drivers.get(name)?.node.NodeGetInfo({});
      if (!info) return;
      const { allocatable } = driverEntry(name, info);
      const changed = ({ allocatable: _, ...rest }: CSINodeDriver) => ({
        ...rest,
        ...(allocatable ? { allocatable } : {}),
      });
      await this.#tellDrivers(list => list.map(d => (d.name === name ? changed(d) : d)));
    } catch (error) {
      this.#o.log.warn('asking a driver for its limit failed', { driver: name, error });
    }
  }

  async deregister(name: string): Promise<void> {
    this.#forget(name);
    await this.#untell(name);
    this.#o.onChange();
  }

  #forget(name: string): void {
    this.#drivers.get(name)?.close();
    this.#drivers.delete(name);
  }

  /** The node's CSINode, made when it is missing; other kubelets' objects of that name are replaced. */
  async ensureCsiNode(): Promise<CSINode> {
    const { client, nodeName } = this.#o;
    const node = await client.get(coreV1.nodes, { name: nodeName });
    let found: CSINode | undefined;
    try {
      found = await client.get(storageV1.csinodes, { name: nodeName });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const uid = node.metadata.uid ?? '';
    if (found && !found.metadata.ownerReferences?.some(o => o.kind === 'Node' && o.uid !== uid)) return found;
    if (found) await client.delete(storageV1.csinodes, { name: nodeName });
    try {
      return await client.create(storageV1.csinodes, {
        metadata: {
          name: nodeName,
          annotations: { [migratedAnnotation]: migratedPlugins },
          ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }],
        },
        spec: { drivers: [] },
      });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      return client.get(storageV1.csinodes, { name: nodeName });
    }
  }

  async #tellDrivers(change: (list: readonly CSINodeDriver[]) => readonly CSINodeDriver[]): Promise<void> {
    await this.#retried(async () => {
      const found = await this.ensureCsiNode();
      const drivers = change(found.spec.drivers ?? []);
      if (JSON.stringify(drivers) === JSON.stringify(found.spec.drivers ?? [])) return;
      await this.#o.client.update(storageV1.csinodes, cloneDeep({ ...found, spec: { ...found.spec, drivers } }));
    });
  }

  /** The driver's name for this node as an annotation, what the node is near as labels. */
  async #tellNode(name: string, info: NodeInfo): Promise<void> {
    const segments = info.accessible_topology?.segments ?? {};
    await this.#changeNode(node => {
      for (const [key, value] of Object.entries(segments)) {
        const has = node.metadata.labels?.[key];
        if (has !== undefined && has !== value)
          throw new Error(
            `detected topology value collision: driver reported "${key}":"${value}" but existing label is "${key}":"${has}"`,
          );
      }
      return { annotation: JSON.stringify({ ...nodeIds(node), [name]: info.node_id }), labels: segments };
    });
  }

  async #untell(name: string): Promise<void> {
    await this.#tellDrivers(list => list.filter(d => d.name !== name));
    await this.#changeNode(node => {
      const { [name]: _gone, ...rest } = nodeIds(node);
      return { annotation: Object.keys(rest).length ? JSON.stringify(rest) : null };
    });
  }

  async #changeNode(
    change: (node: Node) => { annotation: string | null; labels?: Readonly<Record<string, string>> },
  ): Promise<void> {
    const { client, nodeName } = this.#o;
    await this.#retried(async () => {
      const node = await client.get(coreV1.nodes, { name: nodeName });
      const { annotation, labels = {} } = change(node);
      const isTold =
        (node.metadata.annotations?.[nodeIdAnnotation] ?? null) === annotation &&
        Object.entries(labels).every(([k, v]) => node.metadata.labels?.[k] === v);
      if (isTold) return;
      const metadata = {
        resourceVersion: node.metadata.resourceVersion,
        annotations: { [nodeIdAnnotation]: annotation },
        ...(Object.keys(labels).length ? { labels } : {}),
      };
      await client.patch(coreV1.nodes, { name: nodeName }, { type: 'strategic', body: { metadata } });
    });
  }

  async #retried(write: () => Promise<void>): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await write();
      } catch (error) {
        if (!isConflict(error) || tries >= maxConflicts) throw error;
      }
    }
  }
}

function driverEntry(name: string, info: NodeInfo): CSINodeDriver {
  const keys = Object.keys(info.accessible_topology?.segments ?? {}).sort();
  const count = Math.min(info.max_volumes_per_node, 2 ** 31 - 1);
  return {
    name,
    nodeID: info.node_id,
    topologyKeys: keys,
    ...(count > 0 ? { allocatable: { count } } : {}),
  };
}

function nodeIds(node: Node): Readonly<Record<string, string>> {
  try {
    return JSON.parse(node.metadata.annotations?.[nodeIdAnnotation] ?? '{}');
  } catch {
    return {};
  }
}
