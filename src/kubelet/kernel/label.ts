// What Kubernetes writes on CRI objects, and how a kubelet that starts anew reads it back.
import type { Container, LifecycleHandler, Pod } from '../../api/type/core-v1.ts';
import { containerHash } from './container-hash.ts';

export const podNameLabel = 'io.kubernetes.pod.name';
export const podNamespaceLabel = 'io.kubernetes.pod.namespace';
export const podUidLabel = 'io.kubernetes.pod.uid';
export const containerNameLabel = 'io.kubernetes.container.name';

const hashAnnotation = 'io.kubernetes.container.hash';
const restartCountAnnotation = 'io.kubernetes.container.restartCount';
const messagePathAnnotation = 'io.kubernetes.container.terminationMessagePath';
const messagePolicyAnnotation = 'io.kubernetes.container.terminationMessagePolicy';
const deletionGraceAnnotation = 'io.kubernetes.pod.deletionGracePeriod';
const terminationGraceAnnotation = 'io.kubernetes.pod.terminationGracePeriod';
const preStopAnnotation = 'io.kubernetes.container.preStopHandler';
const portsAnnotation = 'io.kubernetes.container.ports';

type Strings = Readonly<Record<string, string>>;

export function podIdentityLabels(pod: Pod): Strings {
  return {
    [podNameLabel]: pod.metadata.name ?? '',
    [podNamespaceLabel]: pod.metadata.namespace ?? '',
    [podUidLabel]: pod.metadata.uid ?? '',
  };
}

export function sandboxLabels(pod: Pod): Strings {
  return { ...pod.metadata.labels, ...podIdentityLabels(pod) };
}

export function sandboxAnnotations(pod: Pod): Strings {
  return { ...pod.metadata.annotations };
}

export function containerLabels(pod: Pod, container: Container): Strings {
  return { ...podIdentityLabels(pod), [containerNameLabel]: container.name };
}

export function containerAnnotations(pod: Pod, container: Container, restartCount: number): Strings {
  const out: Record<string, string> = {
    [hashAnnotation]: containerHash(container),
    [restartCountAnnotation]: String(restartCount),
    [messagePathAnnotation]: container.terminationMessagePath ?? '/dev/termination-log',
    [messagePolicyAnnotation]: container.terminationMessagePolicy ?? 'File',
  };
  const { deletionGracePeriodSeconds } = pod.metadata;
  if (deletionGracePeriodSeconds !== undefined) out[deletionGraceAnnotation] = String(deletionGracePeriodSeconds);
  const { terminationGracePeriodSeconds } = pod.spec;
  if (terminationGracePeriodSeconds !== undefined)
    out[terminationGraceAnnotation] = String(terminationGracePeriodSeconds);
  if (container.lifecycle?.preStop) out[preStopAnnotation] = JSON.stringify(container.lifecycle.preStop);
  if (container.ports?.length) out[portsAnnotation] = JSON.stringify(container.ports);
  return out;
}

export interface ContainerMarks {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly name: string;
  readonly hash: string;
  readonly restartCount: number;
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly preStop?: LifecycleHandler;
}

function parsedOrNothing(text: string | undefined): unknown {
  if (!text) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** From a container's labels and annotations; a container without a pod uid is not ours. */
export function readContainerMarks(labels: Strings = {}, annotations: Strings = {}): ContainerMarks | undefined {
  const podUid = labels[podUidLabel];
  if (!podUid) return undefined;
  const grace = annotations[terminationGraceAnnotation];
  const preStop = parsedOrNothing(annotations[preStopAnnotation]);
  return {
    podUid,
    podName: labels[podNameLabel] ?? '',
    podNamespace: labels[podNamespaceLabel] ?? '',
    name: labels[containerNameLabel] ?? '',
    hash: annotations[hashAnnotation] ?? '',
    restartCount: Number(annotations[restartCountAnnotation] ?? 0) || 0,
    terminationMessagePath: annotations[messagePathAnnotation] ?? '',
    terminationMessagePolicy: annotations[messagePolicyAnnotation] ?? 'File',
    ...(grace !== undefined ? { terminationGracePeriodSeconds: Number(grace) } : {}),
    ...(preStop ? { preStop: preStop as ContainerMarks['preStop'] } : {}),
  };
}
