// The plugins there are, and those of a profile that says nothing, in their order and with their weights.
import type { PluginFactory } from '../framework.ts';
import { nodeResourcesBalancedAllocation } from './balanced-allocation.ts';
import { defaultBinder } from './default-binder.ts';
import { dynamicResources } from './dra/dynamic-resources.ts';
import { imageLocality } from './image-locality.ts';
import { nodeAffinity } from './node-affinity.ts';
import { nodeDeclaredFeatures } from './node-declared-features.ts';
import { nodeName } from './node-name.ts';
import { nodePorts } from './node-ports.ts';
import { nodeResourcesFit } from './node-resources-fit.ts';
import { nodeUnschedulable } from './node-unschedulable.ts';
import { interPodAffinity } from './pod-affinity/inter-pod-affinity.ts';
import { defaultPreemption } from './preemption/default-preemption.ts';
import { prioritySort } from './priority-sort.ts';
import { schedulingGates } from './scheduling-gates.ts';
import { taintToleration } from './taint-toleration.ts';
import { podTopologySpread } from './topology-spread/topology-spread.ts';
import { nodeVolumeLimits } from './volume/node-volume-limits.ts';
import { volumeBinding } from './volume/volume-binding.ts';
import { volumeRestrictions } from './volume/volume-restrictions.ts';
import { volumeZone } from './volume/volume-zone.ts';

export interface PluginEntry {
  readonly name: string;
  readonly create: PluginFactory;
  readonly weight: number;
}

const entry = (name: string, create: PluginFactory, weight = 1): PluginEntry => ({ name, create, weight });

export const defaultPlugins: readonly PluginEntry[] = [
  entry('SchedulingGates', schedulingGates),
  entry('PrioritySort', prioritySort),
  entry('NodeUnschedulable', nodeUnschedulable),
  entry('NodeName', nodeName),
  entry('TaintToleration', taintToleration, 3),
  entry('NodeAffinity', nodeAffinity, 2),
  entry('NodePorts', nodePorts),
  entry('NodeResourcesFit', nodeResourcesFit),
  entry('VolumeRestrictions', volumeRestrictions),
  entry('NodeVolumeLimits', nodeVolumeLimits),
  entry('VolumeBinding', volumeBinding),
  entry('VolumeZone', volumeZone),
  entry('PodTopologySpread', podTopologySpread, 2),
  entry('InterPodAffinity', interPodAffinity, 2),
  entry('NodeDeclaredFeatures', nodeDeclaredFeatures),
  entry('DynamicResources', dynamicResources, 2),
  entry('DefaultPreemption', defaultPreemption),
  entry('NodeResourcesBalancedAllocation', nodeResourcesBalancedAllocation),
  entry('ImageLocality', imageLocality),
  entry('DefaultBinder', defaultBinder),
];
