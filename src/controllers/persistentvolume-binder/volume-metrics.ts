// How many volumes and claims there are, bound and not, counted when metrics are asked for.
import { coreV1 } from '../../api/refs.ts';
import type { PersistentVolume } from '../../api/type/core-v1.ts';
import type { GaugeMetric } from '../../base/metrics.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { claimClass, volumeClass } from './kernel/volume-match.ts';

const byClass = ['storage_class'];
const byNamespace = ['namespace', 'storage_class', 'volume_attributes_class'];

/** Returns the end of counting. */
export function countVolumes({ metrics, lister }: ControllerContext): () => void {
  const gauge = (name: string, help: string, labels: readonly string[]) =>
    new Tally(metrics.gauge(`pv_collector_${name}`, `Gauge measuring ${help}`, labels), labels);
  const volumes = 'number of persistent volume currently';
  const claims = 'number of persistent volume claim currently';
  const bound = gauge('bound_pv_count', `${volumes} bound`, byClass);
  const unbound = gauge('unbound_pv_count', `${volumes} unbound`, byClass);
  const boundClaims = gauge('bound_pvc_count', `${claims} bound`, byNamespace);
  const unboundClaims = gauge('unbound_pvc_count', `${claims} unbound`, byNamespace);
  const total = gauge('total_pv_count', 'total number of persistent volumes', ['plugin_name', 'volume_mode']);
  const tallies = [bound, unbound, boundClaims, unboundClaims, total];
  const stop = metrics.onCollect(() => {
    for (const volume of lister(coreV1.persistentvolumes).list()) {
      (volume.status?.phase === 'Bound' ? bound : unbound).add(volumeClass(volume));
      total.add(pluginOf(volume), volume.spec?.volumeMode ?? 'Filesystem');
    }
    for (const claim of lister(coreV1.persistentvolumeclaims).list())
      (claim.status?.phase === 'Bound' ? boundClaims : unboundClaims).add(
        claim.metadata.namespace!,
        claimClass(claim),
        claim.spec?.volumeAttributesClassName ?? '',
      );
    for (const tally of tallies) tally.show();
  });
  return () => {
    stop();
    for (const tally of tallies) tally.show();
  };
}

const plugins = [
  ['hostPath', 'kubernetes.io/host-path'],
  ['local', 'kubernetes.io/local-volume'],
  ['nfs', 'kubernetes.io/nfs'],
  ['iscsi', 'kubernetes.io/iscsi'],
  ['fc', 'kubernetes.io/fc'],
] as const;

function pluginOf({ spec }: PersistentVolume): string {
  if (spec?.csi) return `kubernetes.io/csi:${spec.csi.driver}`;
  return plugins.find(([field]) => spec?.[field])?.[1] ?? 'N/A';
}

type Counts = Map<string, { readonly labels: Record<string, string>; count: number }>;

/** A gauge that forgets what was not counted this time. */
class Tally {
  readonly #gauge: GaugeMetric;
  readonly #labels: readonly string[];
  #counts: Counts = new Map();
  #shown: Counts = new Map();

  constructor(gauge: GaugeMetric, labels: readonly string[]) {
    this.#gauge = gauge;
    this.#labels = labels;
  }

  add(...values: string[]): void {
    const labels = Object.fromEntries(this.#labels.map((l, i) => [l, values[i]!]));
    this.#counts.getOrInsertComputed(values.join('\0'), () => ({ labels, count: 0 })).count++;
  }

  show(): void {
    for (const [id, { labels }] of this.#shown) if (!this.#counts.has(id)) this.#gauge.remove(labels);
    for (const { labels, count } of this.#counts.values()) this.#gauge.set(labels, count);
    this.#shown = this.#counts;
    this.#counts = new Map();
  }
}
