import { type Selector, selectorFromLabelSelector, selectorOf } from '../../../api/label-selector.ts';
import { appsV1, coreV1 } from '../../../api/refs.ts';
import { own } from '../../../base/own.ts';
import type { InformerFactory, Lister } from '../../../client/informer.ts';
import type { PodInfo } from '../../pod-info.ts';

/** Which pods belong together with this one: those of its services and of its controller; undefined when none do. */
export type DefaultSelector = (pod: PodInfo) => Selector | undefined;

export function defaultSelector(informers: InformerFactory): DefaultSelector {
  const services = informers.informer(coreV1.services).lister;
  const sources: Record<string, Lister<any>> = {
    ReplicationController: informers.informer(coreV1.replicationcontrollers).lister,
    ReplicaSet: informers.informer(appsV1.replicasets).lister,
    StatefulSet: informers.informer(appsV1.statefulsets).lister,
  };
  return pod => {
    const labels: Record<string, string> = {};
    for (const { spec } of services.list(pod.namespace)) {
      const selector = spec?.selector;
      if (!selector || Object.keys(selector).length === 0) continue;
      if (Object.entries(selector).every(([k, v]) => pod.labels[k] === v)) Object.assign(labels, selector);
    }
    const owner = pod.pod.metadata.ownerReferences?.find(o => o.controller);
    const object = owner && own(sources, owner.kind)?.get(`${pod.namespace}/${owner.name}`);
    const found = object?.spec?.selector;
    const byLabels = found && owner?.kind === 'ReplicationController';
    if (byLabels) Object.assign(labels, found);
    const base = selectorFromLabelSelector({ matchLabels: labels }).requirements;
    const more = found && !byLabels ? selectorFromLabelSelector(found).requirements : [];
    const all = [...base, ...more];
    return all.length ? selectorOf(all) : undefined;
  };
}
