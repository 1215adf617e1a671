// How many pods the controllers of some pods want to have.
import { parseKey } from '../../api/meta.ts';
import { ref } from '../../api/ref.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { APIResource, OwnerReference } from '../../api/type/meta-v1.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { controllerOf } from '../../engine/controller-ref.ts';

interface ControllerScale {
  readonly uid: string;
  readonly replicas: number;
}

type Context = Pick<ControllerContext, 'client' | 'lister'>;

export interface ExpectedScale {
  readonly expected: number;
  /** Names of pods without a controller. */
  readonly unmanaged: readonly string[];
}

/** Rejects when a controller's scale cannot be known. */
export async function expectedScale(context: Context, pods: readonly Pod[]): Promise<ExpectedScale> {
  const scales = new Map<string, number>();
  const seen = new Set<string>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) unmanaged.push(pod.metadata.name);
    if (!owner || seen.has(owner.uid)) continue;
    const scale =
      knownScale(context, owner, pod.metadata.namespace!) ??
      (await askedScale(context, owner, pod.metadata.namespace!));
    if (!scale) throw new Error(`found no controllers for pod "${pod.metadata.name}"`);
    seen.add(owner.uid);
    scales.set(scale.uid, scale.replicas);
  }
  return { expected: [...scales.values()].reduce((a, b) => a + b, 0), unmanaged };
}

const groupOf = (owner: OwnerReference): string =>
  owner.apiVersion.includes('/') ? owner.apiVersion.split('/')[0]! : '';

/** Of the built-in workloads; for a ReplicaSet of a Deployment, the Deployment's. */
function knownScale({ lister }: Context, owner: OwnerReference, namespace: string): ControllerScale | undefined {
  const key = `${namespace}/${owner.name}`;
  const group = groupOf(owner);
  const isApps = group === 'apps' || group === 'extensions';
  if (owner.kind === 'ReplicationController' && group === '')
    return scaleOf(lister(coreV1.replicationcontrollers).get(key), owner.uid);
  if (owner.kind === 'StatefulSet' && isApps) return scaleOf(lister(appsV1.statefulsets).get(key), owner.uid);
  if (owner.kind !== 'ReplicaSet' || !isApps) return undefined;
  const replicaSet = lister(appsV1.replicasets).get(key);
  const deployment = replicaSet?.metadata.uid === owner.uid ? controllerOf(replicaSet) : undefined;
  if (deployment?.kind !== 'Deployment') return scaleOf(replicaSet, owner.uid);
  return scaleOf(lister(appsV1.deployments).get(`${namespace}/${deployment.name}`), deployment.uid);
}

interface Scaled {
  readonly metadata: { readonly uid?: string };
  readonly spec?: { readonly replicas?: number };
}

function scaleOf(object: Scaled | undefined, uid: string): ControllerScale | undefined {
  return object && object.metadata.uid === uid ? { uid, replicas: object.spec?.replicas ?? 1 } : undefined;
}

/** Of anything else that has a scale subresource. */
async function askedScale(
  { client }: Context,
  owner: OwnerReference,
  namespace: string,
): Promise<ControllerScale | undefined> {
  const { apiVersion, kind, name, uid } = owner;
  const group = groupOf(owner);
  const path = group === '' ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  let resources: readonly APIResource[];
  try {
    resources = ((await client.raw(path)) as { resources?: readonly APIResource[] }).resources ?? [];
  } catch (error) {
    if (!isNotFound(error)) throw error;
    resources = [];
  }
  const resource = resources.find(r => r.kind === kind && !r.name.includes('/'));
  if (!resource) throw new Error(`no matches for kind "${kind}" in version "${apiVersion}"`);
  if (!resources.some(r => r.name === `${resource.name}/scale`))
    throw new Error(`${resource.name}${group ? `.${group}` : ''} does not implement the scale subresource`);
  const version = apiVersion.split('/').at(-1)!;
  try {
    const target = ref(group, version, resource.name, kind, true);
    const scale = await client.getSubresource<Scale>(target, parseKey(`${namespace}/${name}`), 'scale');
    return scale.metadata.uid === uid ? { uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
