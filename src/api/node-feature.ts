// Features that nodes declare in `status.declaredFeatures`, and what of a pod needs which.
import { deepEqual, semanticEqual } from './rule/record.ts';
import type { Container, Node, PodSpec } from './type/core-v1.ts';

/** What a pod needs wherever it runs, by the name that nodes declare. */
const needs: Readonly<Record<string, (spec: PodSpec) => boolean>> = {
  RestartAllContainersOnContainerExits: ({ containers, initContainers = [] }) =>
    [...containers, ...initContainers].some((c: Container) =>
      c.restartPolicyRules?.some(r => r.action === 'RestartAllContainers'),
    ),
  UserNamespacesHostNetworkSupport: spec => spec.hostUsers === false && spec.hostNetwork === true,
};

/** What the change of a pod that runs needs. */
const updateNeeds: Readonly<Record<string, (old: PodSpec, now: PodSpec) => boolean>> = {
  InPlacePodLevelResourcesVerticalScaling: (old, now) => !deepEqual(old.resources, now.resources),
  InPlacePodVerticalScalingInitContainers: (old, now) =>
    (now.initContainers ?? []).some(
      (c, i) => c.restartPolicy !== 'Always' && !semanticEqual(c.resources, old.initContainers?.[i]?.resources),
    ),
};

/** Sorted. */
export const featuresNeeded = (spec: PodSpec): readonly string[] => Object.keys(needs).filter(f => needs[f]!(spec));

/** Sorted. */
export const featuresNeededForUpdate = (old: PodSpec, now: PodSpec): readonly string[] =>
  Object.keys(updateNeeds).filter(f => updateNeeds[f]!(old, now));

export const undeclared = (needed: readonly string[], node: Node | undefined): readonly string[] =>
  needed.filter(f => !node?.status?.declaredFeatures?.includes(f));
