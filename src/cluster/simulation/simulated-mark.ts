// How a Node object says that nothing stands behind it, and that the control plane is to act as its kubelet.
import type { Node } from '../../api/type/core-v1.ts';

export const simulateAnnotation = 'k8ts.dev/simulate';

export const isSimulated = ({ metadata }: Node): boolean => metadata.annotations?.[simulateAnnotation] === 'true';
