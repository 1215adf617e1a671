// What `import … from 'k8ts'` gives.
export * from '../api/refs.ts';
export { isAlreadyExists, isConflict, isForbidden, isInvalid, isNotFound, StatusError } from '../api/status.ts';
export type { Clock, VirtualClock } from '../base/clock.ts';
export type { Client } from '../client/client.ts';
export type { NodeInfo } from '../scheduler/cache/node-info.ts';
// What plugins of the scheduler are written with.
export type { KubeSchedulerConfiguration } from '../scheduler/configuration.ts';
export type { CycleState, Handle, Plugin, PluginFactory } from '../scheduler/framework.ts';
export type { PodInfo } from '../scheduler/pod-info.ts';
export { Status } from '../scheduler/status.ts';
export type { StoreEvent } from '../store/store.ts';
export {
  type Cluster,
  type ClusterIdentity,
  type CreateClusterOptions,
  createCluster,
  createClusterIdentity,
  type SimulatedNodes,
  simulated,
  virtualClock,
} from './create-cluster.ts';
export type { Call, CallFilter, Fault, FaultRule, FaultVerb } from './fault/fault-rule.ts';
export type { CrashPlan, Faults } from './fault/faults.ts';
export type { SchedulerChoice } from './scheduler-settings.ts';
export type { PodBehaviour } from './simulation/pod-behaviour.ts';
