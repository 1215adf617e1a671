// What an update of a pod or node means for pods that wait.
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { action, type ClusterEvent, type EventResource } from '../cluster-event.ts';
import { podRequests, resourceValue } from '../kernel/resources.ts';
import { sameMap } from '../kernel/same.ts';
import { podInfoOf } from '../pod-info.ts';

const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

function scaledDown(now: Pod, old: Pod): boolean {
  if (
    same(
      now.spec.containers.map(c => c.resources),
      old.spec.containers.map(c => c.resources),
    )
  ) {
    if (
      same(
        now.status?.containerStatuses?.map(s => s.resources),
        old.status?.containerStatuses?.map(s => s.resources),
      )
    )
      return false;
  }
  const [a, b] = [podRequests(now, { withStatus: true }), podRequests(old, { withStatus: true })];
  const names = ['cpu', 'memory', 'ephemeral-storage', ...(b.scalar?.keys() ?? [])];
  return names.some(n => resourceValue(a, n) < resourceValue(b, n));
}

/** Bits of `action` that an update of a pod sets; 0 when nothing changed that matters. */
export function podUpdateActions(now: Pod, old: Pod): number {
  let bits = 0;
  if (!sameMap(now.metadata.labels, old.metadata.labels)) bits |= action.updatePodLabel;
  if (scaledDown(now, old)) bits |= action.updatePodScaleDown;
  if (!same(now.spec.tolerations, old.spec.tolerations)) bits |= action.updatePodToleration;
  if (!now.spec.schedulingGates?.length && old.spec.schedulingGates?.length)
    bits |= action.updatePodSchedulingGatesEliminated;
  if (!same(now.status?.resourceClaimStatuses, old.status?.resourceClaimStatuses))
    bits |= action.updatePodGeneratedResourceClaim;
  if (!same(now.spec.schedulingGates, old.spec.schedulingGates)) bits |= action.updateOther;
  return bits;
}

export function eventsOfPodUpdate(now: Pod, old: Pod, resource: EventResource = 'UnscheduledPod'): ClusterEvent[] {
  if (podInfoOf(now) === podInfoOf(old)) return [];
  const actions = podUpdateActions(now, old);
  return actions ? [{ resource, actions, label: `${resource}Update` }] : [];
}

export function nodeUpdateActions(now: Node, old: Node): number {
  let bits = 0;
  if (!same(now.spec?.taints, old.spec?.taints) || !!now.spec?.unschedulable !== !!old.spec?.unschedulable)
    bits |= action.updateNodeTaint;
  if (!sameMap(now.status?.allocatable, old.status?.allocatable)) bits |= action.updateNodeAllocatable;
  if (!sameMap(now.metadata.labels, old.metadata.labels)) bits |= action.updateNodeLabel;
  if (!sameMap(now.metadata.annotations, old.metadata.annotations)) bits |= action.updateNodeAnnotation;
  if (!same(now.status?.declaredFeatures, old.status?.declaredFeatures)) bits |= action.updateNodeDeclaredFeature;
  const conditions = (n: Node) => Object.fromEntries((n.status?.conditions ?? []).map(c => [c.type, c.status]));
  if (!sameMap(conditions(now), conditions(old))) bits |= action.updateNodeCondition;
  return bits;
}
