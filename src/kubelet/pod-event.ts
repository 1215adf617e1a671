import type { Container, EphemeralContainer, ObjectReference, Pod } from '../api/type/core-v1.ts';
import type { EventRecorder } from '../client/event-recorder.ts';

type EventType = 'Normal' | 'Warning';

function fieldPath(pod: Pod, name: string): string | undefined {
  const { spec } = pod;
  if (spec.containers.some(c => c.name === name)) return `spec.containers{${name}}`;
  if (spec.initContainers?.some(c => c.name === name)) return `spec.initContainers{${name}}`;
  if (spec.ephemeralContainers?.some(c => c.name === name)) return `spec.ephemeralContainers{${name}}`;
  return undefined;
}

export function podReference(pod: Pod, container?: Container | EphemeralContainer): ObjectReference {
  const { name, namespace, uid, resourceVersion, annotations } = pod.metadata;
  const path = container && fieldPath(pod, container.name);
  // Events of a static pod go to its mirror, which is known by the manifest's hash.
  const hash = annotations?.['kubernetes.io/config.hash'];
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    uid: hash ?? uid ?? '',
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(path ? { fieldPath: path } : {}),
  };
}

export interface PodEvents {
  pod(pod: Pod, type: EventType, reason: string, message: string): void;
  container(
    pod: Pod,
    container: Container | EphemeralContainer,
    type: EventType,
    reason: string,
    message: string,
  ): void;
}

export function podEvents(recorder: EventRecorder): PodEvents {
  return {
    pod: (pod, type, reason, message) => recorder.event(podReference(pod), type, reason, message),
    container: (pod, container, type, reason, message) =>
      recorder.event(podReference(pod, container), type, reason, message),
  };
}
