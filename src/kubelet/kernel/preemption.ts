// Who has to go for a critical pod that the node has no room for.
import type { Pod } from '../../api/type/core-v1.ts';
import type { Shortage } from './admission.ts';
import { isCritical } from './critical-pod.ts';
import { podTotal, type QosClass, qosClassOf } from './qos.ts';

/** Those that lose most by going come last. */
const leastHarm: readonly QosClass[] = ['BestEffort', 'Burstable', 'Guaranteed'];

function mayPreempt(preemptor: Pod, pod: Pod): boolean {
  if (!isCritical(pod)) return true;
  const [own, its] = [preemptor.spec.priority, pod.spec.priority];
  return own !== undefined && its !== undefined && own > its;
}

const frees = ({ spec }: Pod, name: string): number => (name === 'pods' ? 1 : podTotal(spec, 'requests', name));

/** What is lacking still once these are gone. */
const left = (lacks: readonly Shortage[], gone: readonly Pod[]): readonly Shortage[] =>
  lacks
    .map(s => ({ ...s, lacking: gone.reduce((n, p) => n - frees(p, s.name), s.lacking) }))
    .filter(s => s.lacking > 0);

/** How far a pod's requests are from what is lacking: 0 where they are enough. */
const distance = (pod: Pod, lacks: readonly Shortage[]): number =>
  lacks.reduce((sum, { name, lacking }) => sum + (Math.max(0, lacking - frees(pod, name)) / lacking) ** 2, 0);

const helps = (pod: Pod, lacks: readonly Shortage[]) => lacks.some(s => frees(pod, s.name) > 0);

/** Above 0 where `a` goes after `b`, of two pods of one class: who frees more of what is lacking, who counts less, who has less. */
function byHarm(a: Pod, b: Pod, lacks: readonly Shortage[]): number {
  const requests = (p: Pod) => lacks.reduce((sum, s) => sum + frees(p, s.name) / s.lacking, 0);
  return (
    distance(a, lacks) - distance(b, lacks) ||
    (a.spec.priority ?? 0) - (b.spec.priority ?? 0) ||
    requests(a) - requests(b)
  );
}

/**
 * The pods that have to go so that nothing is lacking: of the lowest classes of service, few rather than many, none that
 * is not needed. Undefined when all there are would not be enough.
 */
export function victimsFor(
  preemptor: Pod,
  others: readonly Pod[],
  lacks: readonly Shortage[],
): readonly Pod[] | undefined {
  const preemptable = others.filter(p => mayPreempt(preemptor, p));
  if (left(lacks, preemptable).length > 0) return undefined;
  const classes = leastHarm.map(qos => preemptable.filter(p => qosClassOf(p) === qos));
  const victims: Pod[] = [];
  // From above: of each class only who is needed though all below it went.
  for (let i = classes.length - 1; i >= 0; i--) {
    const candidates = new Set(classes[i]);
    const below = classes.slice(0, i).flat();
    for (let lacking = left(lacks, [...victims, ...below]); lacking.length > 0; ) {
      const useful = [...candidates].filter(p => helps(p, lacking));
      const next = useful.reduce((best, p) => (byHarm(p, best, lacking) < 0 ? p : best));
      candidates.delete(next);
      victims.push(next);
      lacking = left(lacks, [...victims, ...below]);
    }
  }
  return victims.reduce<readonly Pod[]>((kept, p) => {
    const without = kept.filter(v => v !== p);
    return left(lacks, without).length === 0 ? without : kept;
  }, victims);
}
