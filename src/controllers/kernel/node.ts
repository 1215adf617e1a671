// What controllers ask of a node.
import type { Node } from '../../api/type/core-v1.ts';

export const isNodeReady = ({ status }: Node): boolean =>
  status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false;

/** An operator has declared it dead. */
export const isOutOfService = ({ spec }: Node): boolean =>
  spec?.taints?.some(t => t.key === 'node.kubernetes.io/out-of-service') ?? false;
