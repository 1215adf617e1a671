import { cloneDeep, type Draft } from '../../../api/meta.ts';
import { semanticEqual } from '../../../api/rule/record.ts';
import type { ConfigMap } from '../../../api/type/core-v1.ts';

export const rootCaName = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the ' +
  'internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes ' +
  'clusters.';

/** The ConfigMap to write, or undefined when what exists will do: its data as given, and some description. */
export function wantedConfigMap(
  namespace: string,
  clusterCa: string,
  existing: ConfigMap | undefined,
): Draft<ConfigMap> | undefined {
  const data = { 'ca.crt': clusterCa };
  if (!existing) {
    return { metadata: { name: rootCaName, namespace, annotations: { [descriptionAnnotation]: description } }, data };
  }
  if (semanticEqual(existing.data, data) && existing.metadata.annotations?.[descriptionAnnotation]) return undefined;
  const next: Draft<ConfigMap> = cloneDeep(existing);
  next.metadata!.annotations = { ...existing.metadata.annotations, [descriptionAnnotation]: description };
  next.data = data;
  return next;
}
