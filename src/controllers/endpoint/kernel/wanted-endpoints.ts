import { semanticEqual } from '../../../api/rule/record.ts';
import type { EndpointSubset, Endpoints, Service } from '../../../api/type/core-v1.ts';
import { hasClusterIp } from '../../kernel/service-pod.ts';
import { lastChangeAnnotation } from '../../kernel/trigger-time.ts';
import { isOverCapacity, truncateSubsets } from './subset.ts';

export const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';
export const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const headlessLabel = 'service.kubernetes.io/headless';

/** What the Endpoints object of the service should be; undefined when `current` will do. */
export function wantedEndpoints(
  service: Service,
  current: Endpoints | undefined,
  packed: readonly EndpointSubset[],
  triggerTime: string | undefined,
): Pick<Endpoints, 'metadata' | 'subsets'> | undefined {
  const subsets = truncateSubsets(packed);
  const truncated = isOverCapacity(packed);
  const labels: Record<string, string> = { ...service.metadata.labels };
  delete labels[headlessLabel];
  if (!hasClusterIp(service)) labels[headlessLabel] = '';
  labels[managedByLabel] = 'endpoint-controller';
  const marked = current?.metadata.annotations?.[overCapacityAnnotation];
  if (
    current &&
    semanticEqual(current.subsets, subsets) &&
    semanticEqual(current.metadata.labels, labels) &&
    (truncated ? marked === 'truncated' : marked === undefined)
  )
    return undefined;
  const annotations: Record<string, string> = { ...current?.metadata.annotations };
  delete annotations[lastChangeAnnotation];
  delete annotations[overCapacityAnnotation];
  if (triggerTime) annotations[lastChangeAnnotation] = triggerTime;
  if (truncated) annotations[overCapacityAnnotation] = 'truncated';
  const { name, namespace } = service.metadata;
  const base = current?.metadata ?? ({ name, namespace } as Endpoints['metadata']);
  const { annotations: _, managedFields: __, ...rest } = base;
  const some = Object.keys(annotations).length > 0;
  return { metadata: { ...rest, labels, ...(some ? { annotations } : {}) }, subsets };
}
