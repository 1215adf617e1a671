// Which container of a pod is meant.
import { badRequest } from '../../../api/status.ts';
import type { Pod } from '../../../api/type/core-v1.ts';

const defaultAnnotation = 'kubectl.kubernetes.io/default-container';

/** The container asked for, or the one that needs no asking. Throws 400. */
export function chooseContainer(pod: Pod, asked: string): string {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  const { name } = pod.metadata;
  let container = asked;
  if (!container) {
    if (containers.length === 0) throw badRequest(`a container name must be specified for pod ${name}`);
    const annotated = pod.metadata.annotations?.[defaultAnnotation];
    if (containers.length > 1 && !annotated) {
      const names = [...initContainers, ...containers, ...ephemeralContainers].map(c => c.name).join(' ');
      throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${names}]`);
    }
    container = containers.length === 1 ? containers[0]!.name : annotated!;
  }
  if ([...containers, ...initContainers, ...ephemeralContainers].some(c => c.name === container)) return container;
  throw badRequest(`container ${container} is not valid for pod ${name}`);
}
