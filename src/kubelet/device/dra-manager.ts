// Dynamic resources of this node's pods: has drivers prepare claims before a pod starts and undo that after its end.
import { resourceV1 } from '../../api/refs.ts';
import type { Container, Pod, ResourceStatus } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import type { Host } from '../host/host.ts';
import { Checkpoint } from './checkpoint.ts';
import type { ByClaim, DraPlugin, NamedClaims, PreparedDevice } from './dra-api.ts';
import { DraHealthBook } from './dra-health.ts';
import { DraPlugins } from './dra-plugins.ts';
import { ClaimBook, type ClaimDevice, type ClaimEntry, devicesOf } from './kernel/claim-book.ts';
import { KeyedLock } from './keyed-lock.ts';
import { claimProblem, claimsOfContainer, claimsOfPod, type PodClaim } from './pod-claims.ts';

export interface DraManagerOptions {
  readonly nodeName: string;
  readonly client: Client;
  /** `<kubelet root>/dra_manager_state` */
  readonly checkpoint: string;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  /** The health of a device of that pod is another one than before. */
  onHealth(podUid: string): void;
}

export class DraManager {
  readonly #o: DraManagerOptions;
  readonly plugins: DraPlugins;
  readonly #book = new ClaimBook();
  readonly #health: DraHealthBook;
  readonly #checkpoint: Checkpoint<readonly ClaimEntry[]>;
  readonly #lock = new KeyedLock();

  constructor(options: DraManagerOptions) {
    this.#o = options;
    const { nodeName, client, clock, log } = options;
    this.#checkpoint = new Checkpoint(options.checkpoint, options.host, log);
    this.#health = new DraHealthBook(clock, (driver, devices) => this.#healthChanged(driver, devices));
    this.plugins = new DraPlugins({
      ...{ nodeName, client, clock, log },
      onHealth: (driver, reports) => this.#health.take(driver, reports),
    });
  }

  async restore(): Promise<void> {
    for (const entry of (await this.#checkpoint.read()) ?? []) this.#book.set(entry);
  }

  async stop(): Promise<void> {
    this.plugins.stop();
    this.#health.stop();
    await this.#checkpoint.idle();
  }

  /** Pods that something is prepared for. */
  holders(): ReadonlySet<string> {
    return this.#book.podUids();
  }

  /** All claims of a pod that is about to start. May be called again after a failure. */
  async prepare(pod: Pod): Promise<void> {
    try {
      const wanted = claimsOfPod(pod);
      if (!wanted.length) return;
      const claims = await Promise.all(wanted.map(w => this.#fetch(pod, w)));
      const keys = wanted.map(w => `${pod.metadata.namespace}/${w.name}`);
      await this.#lock.run(keys, () => this.#prepare(pod.metadata.uid ?? '', claims));
    } catch (error) {
      throw new Error(`prepare dynamic resources: ${messageOf(error)}`, { cause: error });
    }
  }

  async #fetch(pod: Pod, wanted: PodClaim): Promise<ResourceClaim> {
    const { namespace = '', name: podName } = pod.metadata;
    let claim: ResourceClaim;
    try {
      claim = await this.#o.client.get(resourceV1.resourceclaims, { namespace, name: wanted.name });
    } catch (error) {
      const text = `failed to fetch ResourceClaim ${wanted.name} referenced by pod ${podName}: ${messageOf(error)}`;
      throw new Error(text, { cause: error });
    }
    const problem = claimProblem(pod, wanted, claim);
    if (problem) throw new Error(problem);
    return claim;
  }

  async #prepare(podUid: string, claims: readonly ResourceClaim[]): Promise<void> {
    // Of a driver that is not there nothing can be left behind: such a pod must be able to go.
    for (const claim of claims) {
      const isPrepared = this.#book.get(claim.metadata.namespace ?? '', claim.metadata.name ?? '')?.prepared;
      if (!isPrepared) for (const driver of driversOf(claim)) this.plugins.plugin(driver);
    }
    const entries = claims.map(claim => this.#reserve(podUid, claim));
    const unprepared = entries.filter(e => !e.prepared);
    // Written before drivers are asked: what they begin must be undone also after a crash.
    await this.#save();
    const drivers = new Set(unprepared.flatMap(e => e.drivers));
    const devices = new Map(unprepared.map(e => [e.uid, [] as ClaimDevice[]]));
    for (const driver of drivers) {
      const batch = unprepared.filter(e => e.drivers.includes(driver));
      const prepare = (plugin: DraPlugin, claims: NamedClaims) => plugin.NodePrepareResources(claims);
      for (const [uid, made] of await this.#ask('NodePrepareResources', driver, batch, prepare))
        devices.get(uid)!.push(...made.devices.map(d => claimDevice(driver, d)));
    }
    for (const e of unprepared)
      this.#book.set({ ...this.#book.get(e.namespace, e.name)!, prepared: true, devices: devices.get(e.uid)! });
    await this.#save();
  }

  #reserve(podUid: string, claim: ResourceClaim): ClaimEntry {
    const { namespace = '', name = '', uid = '' } = claim.metadata;
    const known = this.#book.get(namespace, name);
    if (known && known.uid !== uid)
      throw new Error(
        `old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`,
      );
    const entry: ClaimEntry = {
      ...(known ?? {
        ...{ namespace, name, uid, prepared: false, devices: [] },
        drivers: driversOf(claim),
      }),
      podUids: [...new Set([...(known?.podUids ?? []), podUid])],
    };
    this.#book.set(entry);
    return entry;
  }

  /** Everything of it has stopped. Rejects while a driver cannot undo its part. */
  async unprepare(podUid: string): Promise<void> {
    const keys = this.#book.ofPod(podUid).map(e => `${e.namespace}/${e.name}`);
    if (!keys.length) return;
    try {
      await this.#lock.run(keys, () => this.#unprepare(podUid));
    } catch (error) {
      throw new Error(`unprepare dynamic resources: ${messageOf(error)}`, { cause: error });
    }
  }

  async #unprepare(podUid: string): Promise<void> {
    const last: ClaimEntry[] = [];
    for (const entry of this.#book.ofPod(podUid)) {
      const podUids = entry.podUids.filter(uid => uid !== podUid);
      // Others of this node still use it.
      if (podUids.length) this.#book.set({ ...entry, podUids });
      else last.push(entry);
    }
    // What could not be undone is not prepared, either: a new pod with the claim has it prepared again.
    for (const entry of last) this.#book.set({ ...entry, prepared: false });
    await this.#save();
    for (const driver of new Set(last.flatMap(e => e.drivers)))
      await this.#ask(
        'NodeUnprepareResources',
        driver,
        last.filter(e => e.drivers.includes(driver)),
        (plugin, claims) => plugin.NodeUnprepareResources(claims),
      );
    for (const entry of last) this.#book.delete(entry);
    await this.#save();
  }

  /** What the driver answers for each claim, by uid. Rejects when it failed with one or left one out. */
  async #ask<T>(
    method: string,
    driver: string,
    batch: readonly ClaimEntry[],
    call: (plugin: DraPlugin, claims: NamedClaims) => ByClaim<T>,
  ): Promise<readonly (readonly [uid: string, answer: T])[]> {
    const plugin = this.plugins.plugin(driver);
    const response = await call(plugin, { claims: batch.map(named) }).catch(error => {
      throw new Error(`${method}: ${messageOf(error)}`, { cause: error });
    });
    const answers: (readonly [string, T])[] = [];
    for (const [uid, answer] of Object.entries(response.claims)) {
      const entry = batch.find(e => e.uid === uid);
      if (!entry) throw new Error(`${method} returned result for unknown claim UID ${uid}`);
      if (answer?.error) throw new Error(`${method} failed for ResourceClaim ${entry.name}: ${answer.error}`);
      if (answer) answers.push([uid, answer]);
    }
    const unfinished = batch.length - answers.length;
    if (unfinished) throw new Error(`${method} skipped ${unfinished} ResourceClaims`);
    return answers;
  }

  // ---- what containers have ----

  /** Names of CDI devices; throws when a claim is not prepared. */
  cdiDevices(pod: Pod, container: Container): readonly string[] {
    const { namespace = '' } = pod.metadata;
    return claimsOfContainer(pod, container).flatMap(({ claimName, request }) => {
      const entry = this.#book.get(namespace, claimName);
      if (!entry) throw new Error(`unable to get claim info for claim ${claimName} in namespace ${namespace}`);
      return devicesOf(entry, request).flatMap(d => d.cdiDevices);
    });
  }

  claimsOf(
    pod: Pod,
    container: Container,
  ): readonly { readonly entry: ClaimEntry; readonly devices: readonly ClaimDevice[] }[] {
    const out = new Map<ClaimEntry, Set<ClaimDevice>>();
    for (const { claimName, request } of claimsOfContainer(pod, container)) {
      const entry = this.#book.get(pod.metadata.namespace ?? '', claimName);
      if (!entry) continue;
      const devices = out.getOrInsertComputed(entry, () => new Set());
      for (const d of devicesOf(entry, request)) devices.add(d);
    }
    return [...out].map(([entry, devices]) => ({ entry, devices: [...devices] }));
  }

  health(pod: Pod, container: Container): readonly ResourceStatus[] {
    const out: ResourceStatus[] = [];
    for (const { claimName, request, label } of claimsOfContainer(pod, container)) {
      const entry = this.#book.get(pod.metadata.namespace ?? '', claimName);
      if (!entry?.prepared) continue;
      const resources = devicesOf(entry, request).map(d => ({
        resourceID: d.cdiDevices[0] ?? `${d.driver}/${d.pool}/${d.device}`,
        ...this.#health.of(d),
      }));
      if (resources.length) out.push({ name: label, resources });
    }
    return out;
  }

  #healthChanged(driver: string, devices: ReadonlySet<string>): void {
    const isOf = (e: ClaimEntry) => e.devices.some(d => d.driver === driver && devices.has(`${d.pool}/${d.device}`));
    for (const uid of new Set(this.#book.entries.filter(isOf).flatMap(e => e.podUids))) this.#o.onHealth(uid);
  }

  async #save(): Promise<void> {
    try {
      await this.#checkpoint.write(() => this.#book.entries);
    } catch (error) {
      throw new Error(`failed to checkpoint claimInfo state: ${messageOf(error)}`, { cause: error });
    }
  }
}

const driversOf = ({ status }: ResourceClaim): readonly string[] =>
  [...new Set(status?.allocation?.devices?.results?.map(r => r.driver))].sort();

const named = ({ namespace, uid, name }: ClaimEntry) => ({ namespace, uid, name });

const claimDevice = (driver: string, d: PreparedDevice): ClaimDevice => ({
  driver,
  pool: d.pool_name,
  device: d.device_name,
  requests: d.request_names,
  cdiDevices: d.cdi_device_ids,
  ...(d.share_id ? { shareId: d.share_id } : {}),
});
