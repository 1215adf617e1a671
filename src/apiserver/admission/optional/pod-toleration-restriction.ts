// PodTolerationRestriction: pods bear the taints their namespace says, and no others than it allows.
import type { Mutable } from '../../../api/meta.ts';
import { podQosClass } from '../../../api/qos.ts';
import { notFound, StatusError } from '../../../api/status.ts';
import type { Pod, Toleration } from '../../../api/type/core-v1.ts';
import { readDocument } from '../../configuration/document.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';
import { covers, mergeTolerations } from '../tolerations.ts';

/** What holds where a namespace says nothing. */
export interface PodTolerations {
  readonly default?: readonly Toleration[];
  readonly whitelist?: readonly Toleration[];
}

const toleration = {
  go: 'Toleration',
  fields: { key: 'string', operator: 'string', value: 'string', effect: 'string', tolerationSeconds: 'int64' },
} as const;
const configuration = {
  kind: 'Configuration',
  group: 'podtolerationrestriction.admission.k8s.io',
  versions: ['v1alpha1'],
  fields: { default: [toleration], whitelist: [toleration] },
} as const;

/** Throws an error with Kubernetes' words for what is no such configuration. */
export function readPodTolerations(text: string): PodTolerations {
  const { default: given, whitelist } = readDocument<PodTolerations>(text, configuration);
  return { ...(given ? { default: given } : {}), ...(whitelist ? { whitelist } : {}) };
}

const defaultsAnnotation = 'scheduler.alpha.kubernetes.io/defaultTolerations';
const whitelistAnnotation = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist';

const memoryPressure: Toleration = {
  key: 'node.kubernetes.io/memory-pressure',
  operator: 'Exists',
  effect: 'NoSchedule',
};

export function podTolerationRestriction(cluster: PodTolerations, namespaces: WatchCache): AdmissionPlugin {
  /** Undefined where the namespace says nothing; what it says empty is nothing, too, but its own. */
  function annotated(name: string, annotation: string): readonly Toleration[] | undefined {
    const namespace = namespaces.latest(name)?.object;
    if (!namespace) throw notFound({ group: '', resource: 'namespaces' }, name);
    const text = namespace.metadata.annotations?.[annotation];
    return text === undefined ? undefined : parse(text);
  }
  function check({ object, namespace }: AdmissionAttributes): void {
    const { tolerations = [] } = (object as unknown as Pod).spec;
    if (!tolerations.length) return;
    const own = annotated(namespace, whitelistAnnotation);
    const whitelist = own ?? cluster.whitelist ?? [];
    if (!whitelist.length || tolerations.every(t => whitelist.some(w => covers(w, t)))) return;
    const scope = own ? 'namespace' : 'cluster';
    const why = `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`;
    // No 403 in Kubernetes, either.
    throw new StatusError(500, '', why);
  }
  return {
    name: 'PodTolerationRestriction',
    handles: ({ operation, resource, subresource }) =>
      (operation === 'CREATE' || operation === 'UPDATE') &&
      resource.group === '' &&
      resource.resource === 'pods' &&
      subresource === '',
    mutate(attributes) {
      const { spec } = attributes.object as unknown as Mutable<Pod>;
      const added: Toleration[] = [];
      if (attributes.operation === 'CREATE')
        added.push(...(annotated(attributes.namespace, defaultsAnnotation) ?? cluster.default ?? []));
      if (podQosClass(spec) !== 'BestEffort') added.push(memoryPressure);
      if (added.length) spec.tolerations = mergeTolerations([...(spec.tolerations ?? []), ...added]);
      check(attributes);
    },
    validate: check,
  };
}

function parse(text: string): readonly Toleration[] {
  if (!text) return [];
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch (error) {
    throw new StatusError(500, '', (error as Error).message, undefined, { cause: error });
  }
  if (list === null) return [];
  if (Array.isArray(list) && list.every(t => typeof t === 'object' && t !== null)) return list as Toleration[];
  throw new StatusError(500, '', 'json: cannot unmarshal tolerations: want a list of objects');
}
