import { cloneDeep, type Draft } from '../../api/meta.ts';
import type { Pod, PodTemplateSpec } from '../../api/type/core-v1.ts';
import type { OwnerReference } from '../../api/type/meta-v1.ts';

/** A pod as the template describes it, called `<owner>-` and a suffix of the server's. A private copy. */
export function podFromTemplate(
  template: PodTemplateSpec | undefined,
  namespace: string,
  owner: OwnerReference,
): Draft<Pod> {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    metadata: {
      generateName: `${owner.name}-`,
      namespace,
      ...(labels ? { labels: { ...labels } } : {}),
      ...(annotations ? { annotations: { ...annotations } } : {}),
      ownerReferences: [{ ...owner }],
      ...(finalizers ? { finalizers: [...finalizers] } : {}),
    },
    ...(template?.spec ? { spec: cloneDeep(template.spec) as Draft<Pod>['spec'] } : {}),
  };
}
