// What the tests that follow the official suite share: a cluster of two simulated nodes on virtual time, and short calls.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import { type Cluster, createCluster, virtualClock } from './create-cluster.ts';

type Any = any;

/** Of one container that ends a second after it is told to. */
export const podSpec = (more: object = {}, container: object = {}): Any => ({
  containers: [{ name: 'c', image: 'i', ...container }],
  terminationGracePeriodSeconds: 1,
  ...more,
});

export const podTemplate = (labels: object): Any => ({ metadata: { labels }, spec: podSpec() });

/** The annotation that tells a simulated node how the pod's containers behave. */
export const simulate = (behaviour: object): Record<string, string> => ({
  'k8ts.local/simulate': JSON.stringify(behaviour),
});

export const behavingTemplate = (labels: object, behaviour?: object, more: object = {}): Any => ({
  metadata: { labels, ...(behaviour ? { annotations: simulate(behaviour) } : {}) },
  spec: podSpec(more),
});

/** A template of one container with a web server's image. */
export const webPod = (labels: object, image = 'registry.example/web:1', more: object = {}, annotations = {}) => ({
  metadata: { labels, annotations },
  spec: podSpec(more, { image }),
});

/** The spec of a set of pods with these labels. */
export const selecting = (labels: object, more: object = {}, template: object = webPod(labels)) => ({
  selector: { matchLabels: labels },
  template,
  ...more,
});

/** For assert.rejects: the server answered so. */
export const refused =
  (code: number, pattern: RegExp) =>
  (error: Any): boolean => {
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    return true;
  };

/** One cluster for a test file, made before its tests; `prefix` begins the names of its namespaces. */
export function conformanceBench(prefix: string, seed: number) {
  let cluster: Cluster;
  let count = 0;
  // The client exists once the tests run; until then only its name is needed.
  const late = <T extends object>(target: () => T): T =>
    new Proxy({} as T, {
      get(_, name) {
        const value = Reflect.get(target(), name) as unknown;
        return typeof value === 'function' ? value.bind(target()) : value;
      },
    });
  const client: Any = late(() => cluster.client);
  const until = (condition: () => unknown, timeout?: string): Promise<Any> =>
    cluster.until(condition as () => never, timeout);
  before(async () => {
    cluster = await createCluster({ nodes: 2, clock: virtualClock(), seed });
    await until(async () => (await client.list(coreV1.nodes)).items.length === 2);
  });
  after(() => cluster.stop());
  const get = (ref: Any, namespace: string, name: string): Promise<Any> => client.get(ref, { namespace, name });
  return {
    cluster: late(() => cluster),
    client,
    until,
    /** A namespace whose default service account is there. */
    async namespace(): Promise<string> {
      const name = `${prefix}${++count}`;
      await client.create(coreV1.namespaces, { metadata: { name } });
      await until(async () =>
        (await client.list(coreV1.serviceaccounts, { namespace: name })).items.some(
          (a: Any) => a.metadata.name === 'default',
        ),
      );
      return name;
    },
    makePod: (namespace: string, name: string, spec: object = podSpec(), more: object = {}): Promise<Any> =>
      client.create(coreV1.pods, { metadata: { namespace, name, ...more }, spec }),
    podsOf: async (namespace: string, labelSelector = ''): Promise<Any[]> =>
      (await client.list(coreV1.pods, { namespace, labelSelector })).items,
    get,
    /** Its controller has seen it as it is, and counts so many. */
    ready: (ref: Any, namespace: string, name: string, replicas: number, field = 'readyReplicas'): Promise<Any> =>
      until(async () => {
        const { status, metadata } = await get(ref, namespace, name);
        return (status[field] ?? 0) === replicas && status.observedGeneration === metadata.generation;
      }),
    remove: (ref: Any, namespace: string, name: string, options?: object): Promise<Any> =>
      client.delete(ref, { namespace, name }, options),
    patch: (ref: Any, namespace: string, name: string, body: object, options?: object): Promise<Any> =>
      client.patch(ref, { namespace, name }, { type: 'merge', body }, options),
    /** Does the read say that there is no such object? */
    gone: (read: Promise<unknown>): Promise<boolean> =>
      read.then(
        () => false,
        error => {
          if (!isNotFound(error)) throw error;
          return true;
        },
      ),
  };
}
