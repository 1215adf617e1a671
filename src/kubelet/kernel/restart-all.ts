// Restarts of all containers of a pod because one of them has ended as its rules say.
import type { Container, Pod } from '../../api/type/core-v1.ts';
import type { ObservedPod } from './observed.ts';
import { ruleFor } from './restart-policy.ts';

/** Containers whose end may begin the whole pod again. */
const triggersOf = ({ spec }: Pod): readonly Container[] =>
  [...spec.containers, ...(spec.initContainers ?? [])].filter(c =>
    c.restartPolicyRules?.some(r => r.action === 'RestartAllContainers'),
  );

export const mayRestartAll = (pod: Pod): boolean => triggersOf(pod).length > 0;

/** The time of the last exit in the newest sandbox that asks for the whole pod to begin again; 0 without one. */
export function restartAllEpoch(pod: Pod, { sandboxes: [sandbox], containers }: ObservedPod): number {
  const triggers = triggersOf(pod);
  let epochMs = 0;
  for (const c of triggers.length ? containers : []) {
    if (c.sandboxId !== sandbox?.id || c.state !== 'exited') continue;
    const trigger = triggers.find(s => s.name === c.name);
    if (trigger && ruleFor(trigger, c.exitCode) === 'RestartAllContainers') epochMs = Math.max(epochMs, c.finishedAtMs);
  }
  return epochMs;
}

/** From the exit that asks for it until the first container of the new round is there. */
export function isRestartingAll(pod: Pod, observed: ObservedPod): boolean {
  const epochMs = restartAllEpoch(pod, observed);
  const sandboxId = observed.sandboxes[0]?.id;
  return epochMs > 0 && !observed.containers.some(c => c.sandboxId === sandboxId && c.createdAtMs >= epochMs);
}
