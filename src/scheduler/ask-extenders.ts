import type { Algorithm, Candidates, Placement } from './algorithm.ts';
import type { Extender } from './extender.ts';
import type { CycleState } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import type { Profile } from './profile.ts';
import { Status } from './status.ts';

/** What is left of the candidates after the extenders, one after another, and the best of it by everybody's scores. */
export async function askExtenders(
  extenders: readonly Extender[],
  algorithm: Algorithm,
  cycle: { readonly profile: Profile; readonly state: CycleState; readonly pod: PodInfo },
  candidates: Candidates,
): Promise<Placement> {
  const { profile, state, pod } = cycle;
  let { feasible } = candidates;
  const failed = new Map<string, Status>();
  for (const e of extenders) {
    const result = await e.filter(pod.pod, feasible);
    if (result instanceof Status) return { status: result };
    for (const [node, status] of result.failed) failed.set(node, status);
    feasible = result.nodes;
    if (feasible.length === 0) return algorithm.none(candidates, failed);
  }
  const scores = feasible.length > 1 ? await Promise.all(extenders.map(e => e.prioritize(pod.pod, feasible))) : [];
  return algorithm.choose(profile, state, pod, { ...candidates, feasible }, scores);
}
