// The resize subresource: cpu and memory of a pod that runs.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { podQosClass } from '../../qos.ts';
import type { Container, Pod, ResourceRequirements } from '../../type/core-v1.ts';
import { diffText } from '../diff.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');
type List = Readonly<Record<string, string>>;

/** Takes resources and resize policies from the new pod, everything else from the old one. */
export function keepOnlyResize(pod: Mutable<Pod>, old: Mutable<Pod>): void {
  const wanted = pod.spec;
  const spec = { ...old.spec };
  for (const list of ['containers', 'initContainers'] as const) {
    const before = old.spec[list];
    const after = wanted[list];
    // A different set of containers is left for validation to refuse.
    if (!before || !after || before.length !== after.length) {
      if (after) spec[list] = after;
      continue;
    }
    spec[list] = before.map((c, i) => {
      const now = after.find(a => a.name === c.name) ?? after[i]!;
      const merged = { ...c, name: now.name, resources: now.resources } as Record<string, unknown>;
      if (now.resizePolicy) merged.resizePolicy = now.resizePolicy;
      return merged as unknown as Mutable<Container>;
    });
  }
  if (wanted.resources) spec.resources = wanted.resources;
  pod.spec = spec;
}

export function validatePodResize(
  pod: Pod,
  old: Pod,
  errors: FieldErrors,
  featureEnabled: (gate: string) => boolean,
): void {
  if (old.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) {
    errors.forbidden(path(''), 'static pods cannot be resized');
    return;
  }
  if (old.spec.os?.name === 'windows') {
    errors.forbidden(path(''), 'windows pods cannot be resized');
    return;
  }
  if (old.status.phase === 'Succeeded' || old.status.phase === 'Failed') {
    errors.forbidden(path(''), 'terminated pods cannot be resized');
    return;
  }
  const initContainersToo = featureEnabled('InPlacePodVerticalScalingInitContainers');
  for (const list of ['containers', 'initContainers'] as const) {
    const now = pod.spec[list] ?? [];
    const was = old.spec[list] ?? [];
    if (now.length !== was.length) {
      errors.forbidden(
        SPEC.child(list),
        `pod updates may not add or remove ${list === 'containers' ? '' : 'init '}containers`,
      );
      return;
    }
    for (const [i, c] of now.entries()) {
      const here = SPEC.child(list).index(i).child('resources');
      const fixed = list === 'initContainers' && c.restartPolicy !== 'Always' && !initContainersToo;
      if (fixed) {
        if (!semanticEqual(c.resources, was[i]!.resources))
          errors.forbidden(here, 'resources for non-sidecar init containers are immutable');
      } else validateResized(c.resources ?? {}, was[i]!.resources ?? {}, here, errors);
    }
  }
  if (pod.spec.resources || old.spec.resources)
    validateResized(pod.spec.resources ?? {}, old.spec.resources ?? {}, SPEC.child('resources'), errors);
  const qos = old.status.qosClass ?? podQosClass(old.spec);
  const after = podQosClass(pod.spec);
  if (after !== qos) errors.invalid(SPEC, after, 'Pod QOS Class may not change as a result of resizing');
  const rest = mungeResources(pod, old);
  if (!semanticEqual(rest.spec, old.spec))
    errors.forbidden(SPEC, `only cpu and memory resources are mutable\n${diffText(old.spec, rest.spec)}`);
}

function validateResized(
  now: ResourceRequirements,
  was: ResourceRequirements,
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const kind of ['limits', 'requests'] as const) {
    for (const name of ['cpu', 'memory']) {
      if (was[kind]?.[name] !== undefined && now[kind]?.[name] === undefined)
        errors.forbidden(at.child(kind), `resource ${kind} cannot be removed`);
    }
  }
}

// The new pod with cpu, memory and resize policies as they were.
function mungeResources(pod: Pod, old: Pod): Pod {
  const restore = (now: ResourceRequirements | undefined, was: ResourceRequirements | undefined) => {
    if (!now) return was;
    const out: Record<string, unknown> = { ...now };
    for (const kind of ['limits', 'requests'] as const) {
      const list: Record<string, string> = { ...now[kind] };
      const before: List = was?.[kind] ?? {};
      for (const name of ['cpu', 'memory']) {
        if (before[name] === undefined) delete list[name];
        else list[name] = before[name];
      }
      if (Object.keys(list).length || was?.[kind]) out[kind] = list;
      else delete out[kind];
    }
    return out as ResourceRequirements;
  };
  const each = (now: readonly Container[] | undefined, was: readonly Container[] | undefined) =>
    now?.map((c, i) => ({
      ...c,
      resizePolicy: was?.[i]?.resizePolicy,
      resources: restore(c.resources, was?.[i]?.resources),
    }));
  return {
    ...pod,
    spec: {
      ...pod.spec,
      containers: each(pod.spec.containers, old.spec.containers)!,
      initContainers: each(pod.spec.initContainers, old.spec.initContainers),
      resources: restore(pod.spec.resources, old.spec.resources),
    } as Pod['spec'],
  };
}
