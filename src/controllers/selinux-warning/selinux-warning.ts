// selinux-warning-controller: says which pods could not share their volumes if these were mounted with SELinux labels.
import { keyOf } from '../../api/meta.ts';
import { coreV1, storageV1 } from '../../api/refs.ts';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import type { CSIDriver } from '../../api/type/storage-v1.ts';
import type { GaugeMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { isPodFinished } from '../kernel/pod.ts';
import { claimKeysOf } from '../kernel/pod-claim.ts';
import {
  type Conflict,
  conflictMessage,
  conflictOf,
  inlineVolumeId,
  labelsByVolume,
  useOf,
  type VolumeUse,
  volumeId,
} from './kernel/volume-use.ts';

const byClaim = 'claim';
const claims = coreV1.persistentvolumeclaims;

const podsOf = (claimKey: string, { lister }: ControllerContext): string[] =>
  lister(coreV1.pods).byIndex(byClaim, claimKey).map(keyOf);

export function selinuxWarningController(): Controller {
  return {
    name: 'selinux-warning-controller',
    queue: 'selinux_warning',
    serviceAccount: 'selinux-warning-controller',
    component: 'selinux_warning',
    watches: [
      {
        resource: coreV1.pods,
        keys: (pod: Pod, old: Pod | undefined, _context, deleted) =>
          deleted || !old || isPodFinished(pod) !== isPodFinished(old) || pod.spec !== old.spec ? [keyOf(pod)] : [],
      },
      { resource: claims, keys: (claim: PersistentVolumeClaim, _old, context) => podsOf(keyOf(claim), context) },
      {
        resource: coreV1.persistentvolumes,
        keys: ({ spec }: PersistentVolume, _old, context) =>
          spec.claimRef ? podsOf(`${spec.claimRef.namespace}/${spec.claimRef.name}`, context) : [],
      },
      {
        resource: storageV1.csidrivers,
        keys: (driver: CSIDriver, old: CSIDriver | undefined, { lister }, deleted) =>
          !deleted && old?.spec.seLinuxMount === driver.spec.seLinuxMount
            ? []
            : lister(coreV1.pods).list().filter(usesClaims).map(keyOf),
      },
    ],
    indexes: [{ resource: coreV1.pods, name: byClaim, values: claimKeysOf }],
    writes: ['events'],
    workers: 1,
    create: context => new SelinuxWarning(context),
  };
}

const usesClaims = (pod: Pod): boolean => claimKeysOf(pod).length > 0;

class SelinuxWarning {
  readonly #context: ControllerContext;
  readonly #conflicts: GaugeMetric;
  /** By pod, then by volume. */
  readonly #uses = new Map<string, ReadonlyMap<string, VolumeUse>>();
  /** Pods by volume. */
  readonly #users = new Map<string, Set<string>>();
  /** Labels of the metric that a pod has a part in, by pod. */
  readonly #counted = new Map<string, Record<string, string>[]>();

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#conflicts = context.metrics.gauge(
      'selinux_warning_controller_selinux_volume_conflict',
      'Conflict between two Pods using the same volume',
      ['property', 'pod1_namespace', 'pod1_name', 'pod1_value', 'pod2_namespace', 'pod2_name', 'pod2_value'],
    );
  }

  async reconcile(key: string): Promise<void> {
    const pod = this.#context.lister(coreV1.pods).get(key);
    const now = pod && !isPodFinished(pod) ? this.#usesOf(pod) : new Map<string, VolumeUse>();
    const before = this.#uses.get(key) ?? new Map<string, VolumeUse>();
    if (sameUses(before, now)) return;
    for (const volume of before.keys()) this.#users.get(volume)?.delete(key);
    this.#forget(key);
    if (!now.size) {
      this.#uses.delete(key);
      return;
    }
    this.#uses.set(key, now);
    for (const volume of now.keys()) this.#users.getOrInsertComputed(volume, () => new Set()).add(key);
    if (pod) this.#compare(key, pod, now);
  }

  #usesOf(pod: Pod): Map<string, VolumeUse> {
    const out = new Map<string, VolumeUse>();
    const labels = labelsByVolume(pod);
    for (const volume of pod.spec.volumes ?? []) {
      const [label, ...more] = labels.get(volume.name) ?? [];
      if (label === undefined) continue;
      const id = inlineVolumeId(volume) ?? this.#claimedVolume(pod, volume.name);
      if (!id) continue;
      if (more.length)
        this.#context.events.event(
          pod,
          'Warning',
          'MultipleSELinuxLabels',
          `Volume ${JSON.stringify(volume.name)} is mounted by containers with different SELinux labels`,
        );
      else out.set(id, useOf(pod, label));
    }
    return out;
  }

  #claimedVolume(pod: Pod, name: string): string | undefined {
    const { lister } = this.#context;
    const volume = pod.spec.volumes?.find(v => v.name === name);
    const claimName = volume?.persistentVolumeClaim?.claimName ?? (volume?.ephemeral && `${pod.metadata.name}-${name}`);
    const bound = claimName && lister(claims).get(`${pod.metadata.namespace}/${claimName}`)?.spec.volumeName;
    const spec = bound ? lister(coreV1.persistentvolumes).get(bound)?.spec : undefined;
    return spec && volumeId(spec, driver => lister(storageV1.csidrivers).get(driver)?.spec.seLinuxMount === true);
  }

  /** Tells both sides of each conflict. */
  #compare(key: string, pod: Pod, uses: ReadonlyMap<string, VolumeUse>): void {
    for (const [volume, use] of uses)
      for (const otherKey of this.#users.get(volume)!) {
        const other = otherKey === key ? undefined : this.#context.lister(coreV1.pods).get(otherKey);
        const theirs = other && this.#uses.get(otherKey)?.get(volume);
        const conflict = theirs && conflictOf(use, theirs);
        if (!conflict) continue;
        this.#tell(pod, other, conflict);
        this.#tell(other, pod, { ...conflict, own: conflict.other, other: conflict.own });
        this.#count(key, pod, otherKey, other, conflict);
      }
  }

  #tell(pod: Pod, other: Pod, conflict: Conflict): void {
    const near = pod.metadata.namespace === other.metadata.namespace;
    const message = conflictMessage(conflict, near ? other.metadata.name : undefined);
    this.#context.events.event(pod, 'Normal', `${conflict.property}Conflict`, message);
  }

  #count(key: string, pod: Pod, otherKey: string, other: Pod, { property, own, other: theirs }: Conflict): void {
    const labels = {
      ...{
        property,
        pod1_namespace: pod.metadata.namespace ?? '',
        pod1_name: pod.metadata.name ?? '',
        pod1_value: own,
      },
      ...{ pod2_namespace: other.metadata.namespace ?? '', pod2_name: other.metadata.name ?? '', pod2_value: theirs },
    };
    this.#conflicts.set(labels, 1);
    for (const k of [key, otherKey]) this.#counted.getOrInsertComputed(k, () => []).push(labels);
  }

  #forget(key: string): void {
    for (const labels of this.#counted.get(key) ?? []) this.#conflicts.remove(labels);
    this.#counted.delete(key);
  }
}

function sameUses(a: ReadonlyMap<string, VolumeUse>, b: ReadonlyMap<string, VolumeUse>): boolean {
  if (a.size !== b.size) return false;
  for (const [volume, { label, policy }] of b) {
    const other = a.get(volume);
    if (other?.label !== label || other.policy !== policy) return false;
  }
  return true;
}
