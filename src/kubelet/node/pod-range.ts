// The runtime is told which addresses the node's pods are to have, as soon as the node has got its range.
import type { Node } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { aborted } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { Informer } from '../../client/informer.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';

export interface PodRangeOptions {
  /** Of this node alone. */
  readonly nodes: Informer<Node>;
  readonly runtime: ContainerRuntime;
  readonly log: Log;
}

/** Until the signal aborts. A runtime that has failed is told again when the node changes next. */
export async function tellPodRange({ nodes, runtime, log }: PodRangeOptions, signal: AbortSignal): Promise<void> {
  let told = '';
  const tell = ({ spec }: Node) => {
    const range = (spec?.podCIDRs ?? (spec?.podCIDR ? [spec.podCIDR] : [])).join();
    if (range === told || range === '') return;
    told = range;
    runtime.UpdateRuntimeConfig({ runtime_config: { network_config: { pod_cidr: range } } }).catch((error: unknown) => {
      told = '';
      log.warn('failed to update pod CIDR', { range, error: messageOf(error) });
    });
  };
  const remove = nodes.addHandler({ onAdd: tell, onUpdate: tell });
  await aborted(signal);
  remove();
}
