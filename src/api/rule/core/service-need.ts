// What a Service needs of the cluster, by its type. Used by its rules and by what allocates addresses and ports.
import type { Service } from '../../type/core-v1.ts';

type Spec = Pick<
  Service['spec'],
  'type' | 'clusterIP' | 'clusterIPs' | 'externalIPs' | 'externalTrafficPolicy' | 'allocateLoadBalancerNodePorts'
>;

/** An address, or None. */
export const needsClusterIp = (spec: Spec): boolean =>
  spec.type === 'ClusterIP' || spec.type === 'NodePort' || spec.type === 'LoadBalancer';

export const isHeadless = (spec: Spec): boolean => spec.clusterIPs?.length === 1 && spec.clusterIPs[0] === 'None';

export const mayHaveNodePort = (spec: Spec): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

/** Those without a number get one. */
export const needsNodePort = (spec: Spec): boolean =>
  spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && (spec.allocateLoadBalancerNodePorts ?? true));

export const needsHealthCheckNodePort = (spec: Spec): boolean =>
  spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';

/** Traffic comes in from outside: externalTrafficPolicy has a meaning. */
export const isExternallyAccessible = (spec: Spec): boolean =>
  spec.type === 'LoadBalancer' ||
  spec.type === 'NodePort' ||
  (spec.type === 'ClusterIP' && (spec.externalIPs?.length ?? 0) > 0);
