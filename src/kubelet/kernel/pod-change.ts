import { equalJson } from '../../api/patch/plain.ts';
import type { Pod } from '../../api/type/core-v1.ts';

/** Whether both ask for the same actions; a status the kubelet itself wrote has no part in it. */
export function actsAlike(a: Pod, b: Pod): boolean {
  const [m, n] = [a.metadata, b.metadata];
  return (
    m.generation === n.generation &&
    m.deletionTimestamp === n.deletionTimestamp &&
    hasEnded(a) === hasEnded(b) &&
    equalJson(m.labels, n.labels) &&
    equalJson(m.annotations, n.annotations) &&
    equalJson(a.spec, b.spec)
  );
}

const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Failed' || status?.phase === 'Succeeded';
