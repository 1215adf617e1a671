// Pods a node cannot do without.
import type { Pod } from '../../api/type/core-v1.ts';

const criticalPriority = 2_000_000_000;

/** From a manifest on the node. */
export const isStatic = ({ metadata }: Pod): boolean =>
  (metadata.annotations?.['kubernetes.io/config.source'] ?? 'api') !== 'api';

export const isMirror = ({ metadata }: Pod): boolean =>
  metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined;

/** That of system-cluster-critical and above. */
export const hasCriticalPriority = ({ spec }: Pod): boolean => (spec.priority ?? 0) >= criticalPriority;

export const isCritical = (pod: Pod): boolean => isStatic(pod) || isMirror(pod) || hasCriticalPriority(pod);
