// The rules of Pods.
import type { WholeNumber } from '../../../base/whole-number.ts';
import { type FieldErrors, path } from '../../field-error.ts';
import { formatTime, type Mutable } from '../../meta.ts';
import { podQosClass } from '../../qos.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Binding, Pod } from '../../type/core-v1.ts';
import { adoptAppArmorAnnotations, validateAppArmorAgreement, validatePodAnnotations } from './pod-annotation.ts';
import { validateImageWhitespace } from './pod-container.ts';
import { podDefaults } from './pod-default.ts';
import { dropDisabledFields, dropStatusFields } from './pod-gate.ts';
import { mergeLabelKeys } from './pod-label-key.ts';
import { keepOnlyResize, validatePodResize } from './pod-resize.ts';
import { validatePodSpec } from './pod-spec.ts';
import { validatePodStatusUpdate } from './pod-status.ts';
import { validateEphemeralUpdate, validatePodUpdate } from './pod-update.ts';
import { podWarnings } from './pod-warning.ts';
import { hostnameWarnings } from './workload-template.ts';

const SPEC = path('spec');
const ANNOTATIONS = path('metadata.annotations');

function prepareForCreate(pod: Mutable<Pod>, context: RuleContext): void {
  dropDisabledFields(pod.spec, undefined, context.featureEnabled);
  pod.status = { phase: 'Pending', qosClass: podQosClass(pod.spec as Pod['spec']) };
  adoptAppArmorAnnotations(pod);
  mergeLabelKeys(pod, context.featureEnabled('MatchLabelKeysInPodTopologySpreadSelectorMerge'));
  if (pod.spec.schedulingGates?.length) {
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        lastTransitionTime: formatTime(context.nowMs),
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ];
  }
}

function prepareForUpdate(pod: Mutable<Pod>, old: Pod, context: RuleContext): void {
  switch (context.subresource) {
    case 'status':
      // Old kubelets lose owner references; nobody may lose the class a pod was admitted with.
      if (old.metadata.ownerReferences)
        pod.metadata.ownerReferences = old.metadata.ownerReferences as Mutable<Pod>['metadata']['ownerReferences'];
      else delete (pod.metadata as { ownerReferences?: unknown }).ownerReferences;
      pod.status.qosClass ??= old.status.qosClass as 'Burstable';
      dropStatusFields(pod.status, old.status, context.featureEnabled);
      break;
    case 'ephemeralcontainers': {
      const wanted = pod.spec.ephemeralContainers;
      pod.spec = { ...(old.spec as Mutable<Pod>['spec']) };
      if (wanted) pod.spec.ephemeralContainers = wanted;
      else delete (pod.spec as { ephemeralContainers?: unknown }).ephemeralContainers;
      break;
    }
    case 'resize':
      keepOnlyResize(pod, old as Mutable<Pod>);
      break;
  }
  if (context.subresource !== 'status') dropDisabledFields(pod.spec, old.spec, context.featureEnabled);
}

function validate(pod: Pod, errors: FieldErrors, context: RuleContext): void {
  // A status write changes nothing that is checked here.
  if (context.subresource === 'status') return;
  const { metadata, spec } = pod;
  if (metadata.annotations) validatePodAnnotations(metadata.annotations, spec, ANNOTATIONS, errors);
  validatePodSpec(spec, SPEC, errors, {
    podName: metadata.name,
    isPod: true,
    featureEnabled: context.featureEnabled,
    ...(context.old ? { old: context.old } : {}),
  });
  if (!spec.serviceAccountName) {
    for (const [i, volume] of (spec.volumes ?? []).entries()) {
      for (const [j, source] of (volume.projected?.sources ?? []).entries())
        if (source.serviceAccountToken)
          errors.forbidden(
            SPEC.child('volumes').index(i).child('projected', 'sources').index(j).child('serviceAccountToken'),
            'must not be specified when serviceAccountName is not set',
          );
    }
  }
  validateImageWhitespace(spec.containers, i => SPEC.child('containers').index(i), errors);
  validateImageWhitespace(spec.initContainers, i => SPEC.child('initContainers').index(i), errors);
}

/** Checks only a pod that is being created; the registry calls validate without an old object for it. */
function validateNew(pod: Pod, errors: FieldErrors): void {
  const { spec } = pod;
  if (spec.ephemeralContainers?.length) errors.forbidden(SPEC.child('ephemeralContainers'), 'cannot be set on create');
  if (spec.nodeName && spec.schedulingGates?.length)
    errors.forbidden(SPEC.child('nodeName'), 'cannot be set until all schedulingGates have been cleared');
  validateAppArmorAgreement(pod, SPEC, errors);
}

function validateUpdate(pod: Pod, old: Pod, errors: FieldErrors, context: RuleContext): void {
  switch (context.subresource) {
    // Sets nodeName and nothing else; see apiserver/calls/binding.ts.
    case 'binding':
      return;
    case 'status': {
      validatePodStatusUpdate(pod, old, errors);
      return;
    }
    case 'ephemeralcontainers': {
      validateEphemeralUpdate(pod, old, errors);
      return;
    }
    case 'resize': {
      validatePodResize(pod, old, errors, context.featureEnabled);
      return;
    }
    default: {
      validatePodUpdate(pod, old, errors);
      return;
    }
  }
}

/** A pod that runs nowhere, or no longer, needs no grace. */
function gracePeriodSeconds(pod: Pod, requested: WholeNumber | undefined): WholeNumber {
  if (!pod.spec.nodeName) return 0;
  if (pod.status.phase === 'Failed' || pod.status.phase === 'Succeeded') return 0;
  const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 0;
  return seconds < 0 ? 1 : seconds;
}

export const podStrategy: Strategy<Pod> = {
  nameRule: 'dnsSubdomain',
  default: podDefaults,
  prepareForCreate,
  prepareForUpdate,
  validate(pod, errors, context) {
    validate(pod, errors, context);
    // Only a pod that was never stored lacks a resource version.
    if (!pod.metadata.resourceVersion && context.subresource === '') validateNew(pod, errors);
  },
  validateUpdate,
  // People seldom update pods themselves, machines do it all the time: only a create is looked at.
  warnings: (pod, old) =>
    old ? [] : [...hostnameWarnings(pod.metadata.name, "the Pod's hostname"), ...podWarnings(pod)],
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: true,
  gracePeriodSeconds,
};

/** The body of a POST to pods/NAME/binding. */
export function validatePodBinding(binding: Binding, errors: FieldErrors): void {
  const { kind, name } = binding.target ?? {};
  if (kind && kind !== 'Node') errors.notSupported(path('target.kind'), kind, ['Node', '<empty>']);
  if (!name) errors.required(path('target.name'));
}
