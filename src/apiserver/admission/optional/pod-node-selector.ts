// PodNodeSelector: pods run on the nodes their namespace is given.
import { parseDocument } from 'yaml';
import type { Mutable } from '../../../api/meta.ts';
import { isLabelValue, isQualifiedName } from '../../../api/name-rule.ts';
import { forbidden, notFound, StatusError } from '../../../api/status.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

/** Selectors as `key=value,key=value` by namespace: what its pods may select. */
export type NodeSelectors = Readonly<Record<string, string>>;

/** Not a namespace: what pods select whose namespace is not annotated. */
const clusterDefault = 'clusterDefaultNodeSelector';
const annotation = 'scheduler.alpha.kubernetes.io/node-selector';

type Labels = Readonly<Record<string, string>>;

/** Throws an error for what is no such configuration. */
export function readPodNodeSelector(text: string): NodeSelectors {
  const document = parseDocument(text);
  if (document.errors[0]) throw new Error(document.errors[0].message);
  const { podNodeSelectorPluginConfig: given = {} } = (document.toJS() ?? {}) as Record<string, unknown>;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Error('podNodeSelectorPluginConfig: want a mapping');
  const selectors = Object.entries(given).map(([namespace, selector]) => [namespace, String(selector ?? '')] as const);
  for (const [namespace, selector] of selectors) {
    try {
      labelsOf(selector);
    } catch (error) {
      throw new Error(`podNodeSelectorPluginConfig.${namespace}: ${(error as Error).message}`, { cause: error });
    }
  }
  return Object.fromEntries(selectors);
}

/** Throws StatusError: Kubernetes' server then answers 500. */
function labelsOf(selector: string): Labels {
  const labels: Record<string, string> = {};
  for (const part of selector ? selector.split(',') : []) {
    const [key = '', value, ...more] = part.split('=').map(side => side.trim());
    if (value === undefined || more.length) throw broken(`invalid selector: [${part.split('=').join(' ')}]`);
    const wrongKey = isQualifiedName(key);
    if (wrongKey.length) throw broken(`<nil>: Invalid value: ${JSON.stringify(key)}: ${wrongKey.join('; ')}`);
    const wrong = isLabelValue(value);
    if (wrong.length) throw broken(`[${key}]: Invalid value: ${JSON.stringify(value)}: ${wrong.join('; ')}`);
    labels[key] = value;
  }
  return labels;
}

const broken = (why: string) => new StatusError(500, '', why);

const conflicts = (a: Labels, b: Labels) => Object.keys(a).some(key => Object.hasOwn(b, key) && a[key] !== b[key]);
const isWithin = (labels: Labels, all: Labels) =>
  Object.keys(labels).every(key => Object.hasOwn(all, key) && all[key] === labels[key]);

export function podNodeSelector(selectors: NodeSelectors, namespaces: WatchCache): AdmissionPlugin {
  const ofNamespace = (name: string): Labels => {
    const namespace = namespaces.latest(name)?.object;
    if (!namespace) throw notFound({ group: '', resource: 'namespaces' }, name);
    return labelsOf(namespace.metadata.annotations?.[annotation] ?? selectors[clusterDefault] ?? '');
  };
  function check({ object, namespace, resource, name }: AdmissionAttributes): Labels {
    const { nodeSelector = {} } = (object as unknown as Pod).spec;
    const wanted = ofNamespace(namespace);
    if (conflicts(wanted, nodeSelector))
      throw forbidden(resource, name, 'pod node label selector conflicts with its namespace node label selector');
    return { ...wanted, ...nodeSelector };
  }
  return {
    name: 'PodNodeSelector',
    handles: ({ operation, resource, subresource }) =>
      operation === 'CREATE' && resource.group === '' && resource.resource === 'pods' && subresource === '',
    mutate(attributes) {
      const { spec } = attributes.object as unknown as Mutable<Pod>;
      const merged = check(attributes);
      if (Object.keys(merged).length) spec.nodeSelector = merged;
    },
    validate(attributes) {
      check(attributes);
      const { object, namespace, resource, name } = attributes;
      const allowed = labelsOf((Object.hasOwn(selectors, namespace) ? selectors[namespace] : undefined) ?? '');
      if (Object.keys(allowed).length && !isWithin((object as unknown as Pod).spec.nodeSelector ?? {}, allowed))
        throw forbidden(resource, name, 'pod node label selector labels conflict with its namespace whitelist');
    },
  };
}
