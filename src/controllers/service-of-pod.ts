// Which services a pod belongs to, and the other way round.
import { nothing, type Selector, selectorFromMap } from '../api/label-selector.ts';
import { keyOf } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { semanticEqual } from '../api/rule/record.ts';
import type { Pod, Service } from '../api/type/core-v1.ts';
import type { Lister } from '../client/informer.ts';
import type { ControllerContext } from '../engine/controller.ts';
import { endpointChanged, selectsPods } from './kernel/service-pod.ts';

// Selectors by the map they were made of: services are replaced on each change, never changed.
const selectors = new WeakMap<object, Selector>();

export function serviceSelector(service: Service): Selector {
  const map = service.spec.selector;
  if (!map || !selectsPods(service)) return nothing();
  let selector = selectors.get(map);
  if (!selector) {
    selector = selectorFromMap(map);
    selectors.set(map, selector);
  }
  return selector;
}

export function podsOf(service: Service, pods: Lister<Pod>): Pod[] {
  const selector = serviceSelector(service);
  return pods.list(service.metadata.namespace).filter(p => selector.matches(p.metadata.labels));
}

/** Keys function of a watch on pods: services whose endpoints the change may concern, by the old labels as well. */
export function serviceKeysOfPod(
  pod: Pod,
  old: Pod | undefined,
  context: Pick<ControllerContext, 'lister'>,
): readonly string[] {
  const labels = pod.metadata.labels;
  const before = old && old !== pod && !semanticEqual(old.metadata.labels, labels) ? old.metadata.labels : undefined;
  const relabeled = before !== undefined || (old && old !== pod && !old.metadata.labels && !!labels);
  if (old && old !== pod && !relabeled && !endpointChanged(pod, old)) return [];
  const keys: string[] = [];
  for (const service of context.lister(coreV1.services).list(pod.metadata.namespace)) {
    const selector = serviceSelector(service);
    if (selector.matches(labels) || (before && selector.matches(before))) keys.push(keyOf(service));
  }
  return keys;
}
