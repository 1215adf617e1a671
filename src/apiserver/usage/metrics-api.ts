// metrics.k8s.io/v1beta1: usage of nodes and pods, served here unless an APIService says that a service serves it.
import { formatTime, type KubeObject } from '../../api/meta.ts';
import { apiregistrationV1, rbacV1 } from '../../api/refs.ts';
import type { Resource } from '../../api/resource.ts';
import { isAlreadyExists, methodNotSupported, notFound } from '../../api/status.ts';
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import type { ClusterRole } from '../../api/type/rbac-v1.ts';
import type { Client } from '../../client/client.ts';
import { type ApiContext, type Call, type CallResult, registryOf } from '../context.ts';
import { parseSelection } from '../registry/selection.ts';
import { Stored } from '../registry/stored.ts';
import type { ApiServerOptions } from '../server-options.ts';
import { usageQuantities, windowText } from './kernel/usage.ts';
import { UsageSampler } from './usage-sampler.ts';

const group = 'metrics.k8s.io';
const version = 'v1beta1';
const apiVersion = `${group}/${version}`;
export const usageApiService = `${version}.${group}`;

const base = {
  group,
  version,
  singular: '',
  shortNames: [],
  categories: [],
  verbs: ['get', 'list'],
  subresources: new Map(),
  hasStatus: false,
  storagePrefix: '',
  storedAs: '',
  fieldSelectors: new Map(),
  onByDefault: true,
} as const;
const typeName = (kind: string) => `io.k8s.metrics.pkg.apis.metrics.v1beta1.${kind}`;

export const usageResources: readonly Resource[] = [
  { ...base, resource: 'nodes', kind: 'NodeMetrics', namespaced: false, typeName: typeName('NodeMetrics') },
  { ...base, resource: 'pods', kind: 'PodMetrics', namespaced: true, typeName: typeName('PodMetrics') },
];

const usageGroup = {
  name: group,
  preferredVersion: version,
  priority: 100,
  versions: [{ version, onByDefault: true, priority: 100 }],
};

export interface UsageApi {
  /** Creates the API's APIService and role, then reads nodes' counters until the signal aborts. */
  run(signal: AbortSignal, client: Client): Promise<void>;
}

/** Serves usage from now on: adds to `resources`, the context's groups and calls. */
export function serveUsage(context: ApiContext, resources: Map<string, Resource>, options: ApiServerOptions): UsageApi {
  const sampler = new UsageSampler(context, options);
  const show = (here: boolean) => {
    for (const r of usageResources) {
      const id = `${group}/${version}/${r.resource}`;
      if (here) resources.set(id, r);
      else resources.delete(id);
    }
    if (here) context.customGroups.set(group, usageGroup);
    else context.customGroups.delete(group);
    context.surface.revision++;
  };
  show(true);
  const { cache } = registryOf(context, 'apiregistration.k8s.io', 'apiservices');
  const follow = (object: KubeObject | undefined) => {
    const elsewhere = (object as APIService | undefined)?.spec.service !== undefined;
    if (resources.has(`${group}/${version}/pods`) === elsewhere) show(!elsewhere);
  };
  cache.listen({
    onEvent({ type, key, stored }) {
      if (key === usageApiService) follow(type === 'DELETED' ? undefined : stored.object);
    },
  });
  context.calls.set(`${group}/nodes`, call => answer(context, call, '', object => nodeUsage(sampler, object)));
  context.calls.set(`${group}/pods`, call => answer(context, call, 'pods', object => podUsage(sampler, object)));
  return {
    async run(signal, client) {
      follow(cache.get(usageApiService)?.object);
      await announce(client, formatTime(context.clock.now()));
      await sampler.run(signal);
    },
  };

  function nodeUsage(from: UsageSampler, object: KubeObject) {
    return nodeMetrics(from, object as Node, context.clock.now());
  }
  function podUsage(from: UsageSampler, object: KubeObject) {
    return podMetrics(from, object as Pod, context.clock.now());
  }
}

/** What of `of` is known for the objects a get or list asks for. */
async function answer(
  context: ApiContext,
  { verb, key, query, resource }: Call,
  kind: '' | 'pods',
  of: (object: KubeObject) => Promise<KubeObject | undefined>,
): Promise<CallResult> {
  const { cache } = registryOf(context, '', kind || 'nodes');
  const revision = context.dispatcher.revision;
  if (verb === 'get') {
    const path = key.namespace ? `${key.namespace}/${key.name}` : key.name;
    const found = cache.get(path);
    // As metrics-server says it: there is no such object, or nothing is known of it yet.
    if (!found) throw notFound({ group: '', resource: resource.resource }, key.name);
    const usage = await of(found.object);
    if (!usage) throw notFound({ group, resource: resource.kind.toLowerCase() }, path);
    return { code: 200, object: usage };
  }
  if (verb !== 'list') throw methodNotSupported(resource, verb);
  const selection = parseSelection(resource, query.get('labelSelector'), query.get('fieldSelector'));
  const chosen: { key: string; object: KubeObject }[] = [];
  cache.snapshot().scan(key.namespace ? `${key.namespace}/` : '', undefined, stored => {
    if (selection.matches(stored.object)) chosen.push(stored);
    return true;
  });
  const items: Stored[] = [];
  for (const one of chosen) {
    const usage = await of(one.object);
    if (usage) items.push(new Stored(one.key, usage, revision));
  }
  const list = { kind: `${resource.kind}List`, apiVersion, metadata: {}, items: items.map(i => i.object) };
  return { code: 200, object: list, items };
}

function metadataOf({ metadata: { name, namespace, labels } }: KubeObject, nowMs: number): KubeObject['metadata'] {
  return {
    name,
    ...(namespace ? { namespace } : {}),
    creationTimestamp: formatTime(nowMs),
    ...(labels ? { labels } : {}),
  } as KubeObject['metadata'];
}

async function nodeMetrics(sampler: UsageSampler, node: Node, nowMs: number): Promise<KubeObject | undefined> {
  const usage = await sampler.node(node.metadata.name);
  if (!usage) return undefined;
  return {
    kind: 'NodeMetrics',
    apiVersion,
    metadata: metadataOf(node, nowMs),
    timestamp: formatTime(usage.atMs),
    window: windowText(usage.windowMs),
    usage: usageQuantities(usage),
  } as KubeObject;
}

/** Of a running pod whose containers all are known. */
async function podMetrics(sampler: UsageSampler, pod: Pod, nowMs: number): Promise<KubeObject | undefined> {
  const { nodeName, containers, initContainers = [] } = pod.spec;
  if (!nodeName || pod.status?.phase !== 'Running') return undefined;
  const sidecars = initContainers.filter(c => c.restartPolicy === 'Always');
  const names = [...containers, ...sidecars].map(c => c.name);
  const usages = await sampler.containers(nodeName, `${pod.metadata.namespace}/${pod.metadata.name}`, names);
  if (!usages) return undefined;
  // The moment that is oldest: what the pod's figures are no older than.
  const oldest = usages.reduce((a, b) => (b.atMs < a.atMs ? b : a));
  return {
    kind: 'PodMetrics',
    apiVersion,
    metadata: metadataOf(pod, nowMs),
    timestamp: formatTime(oldest.atMs),
    window: windowText(oldest.windowMs),
    containers: usages.map((usage, i) => ({ name: names[i]!, usage: usageQuantities(usage) })),
  } as unknown as KubeObject;
}

/** What `kubectl apply` of a metrics server would create, without the service: that stays its owner's if he comes. */
async function announce(client: Client, now: string): Promise<void> {
  const service = {
    metadata: { name: usageApiService },
    spec: { group, version, groupPriorityMinimum: 100, versionPriority: 100 },
    status: {
      conditions: [
        {
          type: 'Available',
          status: 'True',
          lastTransitionTime: now,
          reason: 'Local',
          message: 'Local APIServices are always available',
        },
      ],
    },
  };
  const role = {
    metadata: {
      name: 'system:aggregated-metrics-reader',
      labels: {
        'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
        'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
        'rbac.authorization.k8s.io/aggregate-to-view': 'true',
      },
    },
    rules: [{ apiGroups: [group], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
  };
  await unlessThere(client.create<ClusterRole>(rbacV1.clusterroles, role));
  await unlessThere(
    client
      .create<APIService>(apiregistrationV1.apiservices, service)
      .then(made =>
        client.updateStatus<APIService>(apiregistrationV1.apiservices, { ...made, status: service.status } as never),
      ),
  );
}

async function unlessThere(creating: Promise<unknown>): Promise<void> {
  try {
    await creating;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}
