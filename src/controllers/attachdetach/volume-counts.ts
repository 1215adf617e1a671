// How many volumes are attached and are to be, counted when metrics are asked for.
import { storageV1 } from '../../api/refs.ts';
import type { GaugeMetric } from '../../base/metrics.ts';
import type { ControllerContext } from '../../engine/controller.ts';

/** A gauge whose label sets come and go. */
class Tally {
  readonly #gauge: GaugeMetric;
  #told: Record<string, string>[] = [];

  constructor(gauge: GaugeMetric) {
    this.#gauge = gauge;
  }

  tell(labels: readonly Record<string, string>[]): void {
    const counts = Map.groupBy(labels, l => JSON.stringify(l));
    for (const l of this.#told) this.#gauge.remove(l);
    this.#told = [...counts.values()].map(same => {
      this.#gauge.set(same[0]!, same.length);
      return same[0]!;
    });
  }
}

export function countAttachments({ metrics, lister }: ControllerContext): void {
  const total = new Tally(
    metrics.gauge('attachdetach_controller_total_volumes', 'Number of volumes in A/D Controller', [
      'plugin_name',
      'state',
    ]),
  );
  const inUse = new Tally(
    metrics.gauge('storage_count_attachable_volumes_in_use', 'Measure number of volumes in use', [
      'node',
      'volume_plugin',
    ]),
  );
  const pluginOf = (attacher: string) => `kubernetes.io/csi:${attacher}`;
  metrics.onCollect(() => {
    const all = lister(storageV1.volumeattachments).list();
    const attached = all.filter(a => a.status?.attached);
    const wanted = all.filter(a => !a.metadata.deletionTimestamp);
    const named = (list: typeof all, state: string) =>
      list.map(a => ({ plugin_name: pluginOf(a.spec.attacher), state }));
    total.tell([...named(attached, 'actual_state_of_world'), ...named(wanted, 'desired_state_of_world')]);
    inUse.tell(attached.map(a => ({ node: a.spec.nodeName, volume_plugin: pluginOf(a.spec.attacher) })));
  });
}
