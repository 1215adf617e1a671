// Gathers what is known around a pod. Needs only a client: whatever the asker may not read is left out.
import type { KubeObject } from '../../api/meta.ts';
import { parseTime } from '../../api/meta.ts';
import { type ResourceRef, ref } from '../../api/ref.ts';
import { appsV1, batchV1, coreV1 } from '../../api/refs.ts';
import { isForbidden, isNotFound } from '../../api/status.ts';
import type { Event, Pod } from '../../api/type/core-v1.ts';
import type { OwnerReference } from '../../api/type/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { own } from '../../base/own.ts';
import type { Client } from '../../client/client.ts';
import type { Decisions, Facts, Owner } from './kernel/fact.ts';

const podDecisions = ref<Decisions & KubeObject>(
  'scheduling.k8ts.dev',
  'v1alpha1',
  'poddecisions',
  'PodDecisions',
  true,
);

/** Rejects when the pod cannot be read. */
export async function gatherFacts(client: Client, clock: Clock, namespace: string, name: string): Promise<Facts> {
  const pod = await client.get(coreV1.pods, { namespace, name });
  const [decisions, events, owners, node, claims] = await Promise.all([
    ifAllowed(client.get(podDecisions, { namespace, name })),
    eventsOf(client, namespace, 'Pod', name, pod.metadata.uid),
    ownersOf(client, pod),
    pod.spec.nodeName ? ifThere(client.get(coreV1.nodes, { name: pod.spec.nodeName })) : undefined,
    claimsOf(client, pod),
  ]);
  return {
    pod,
    ...(decisions ? { decisions } : {}),
    events,
    owners,
    ...(node === 'forbidden' ? { nodeUnknown: true } : node ? { node } : {}),
    claims,
    nowMs: clock.now(),
  };
}

async function ifAllowed<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isNotFound(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

/** The same, but tells what may not be read from what is not there. */
async function ifThere<T>(reading: Promise<T>): Promise<T | undefined | 'forbidden'> {
  try {
    return await reading;
  } catch (error) {
    if (isForbidden(error)) return 'forbidden';
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

const timeOf = (e: Event): number =>
  parseTime(e.lastTimestamp) ?? parseTime(e.series?.lastObservedTime) ?? parseTime(e.eventTime) ?? 0;

async function eventsOf(client: Client, namespace: string, kind: string, name: string, uid?: string): Promise<Event[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}${uid ? `,involvedObject.uid=${uid}` : ''}`;
  const found = await ifAllowed(client.list(coreV1.events, { namespace, fieldSelector }));
  return (found?.items ?? []).toSorted((a, b) => timeOf(a) - timeOf(b));
}

const ownerKinds: Readonly<Record<string, ResourceRef<KubeObject>>> = {
  ReplicaSet: appsV1.replicasets,
  Deployment: appsV1.deployments,
  StatefulSet: appsV1.statefulsets,
  DaemonSet: appsV1.daemonsets,
  Job: batchV1.jobs,
  CronJob: batchV1.cronjobs,
  ReplicationController: coreV1.replicationcontrollers,
};

async function ownersOf(client: Client, pod: Pod): Promise<Owner[]> {
  const owners: Owner[] = [];
  const { namespace } = pod.metadata;
  let of: KubeObject | undefined = pod;
  // Owners may go in a circle.
  while (of && owners.length < 5) {
    const owner: OwnerReference | undefined = of.metadata.ownerReferences?.find(o => o.controller);
    const resource: ResourceRef<KubeObject> | undefined = owner && own(ownerKinds, owner.kind);
    of =
      owner && resource
        ? await ifAllowed(client.get(resource, { namespace: namespace!, name: owner.name }))
        : undefined;
    if (of && owner) owners.push({ ...(of as Owner), kind: owner.kind });
  }
  return owners;
}

async function claimsOf(client: Client, pod: Pod): Promise<Facts['claims']> {
  const { namespace, name: podName } = pod.metadata;
  const named = (pod.spec.volumes ?? []).flatMap(v => {
    const name = v.persistentVolumeClaim?.claimName ?? (v.ephemeral ? `${podName}-${v.name}` : undefined);
    return name ? [{ volume: v.name, name }] : [];
  });
  const found = await Promise.all(
    named.map(async ({ volume, name }) => {
      const claim = await ifThere(client.get(coreV1.persistentvolumeclaims, { namespace: namespace!, name }));
      if (claim === 'forbidden') return [];
      if (!claim || claim.status?.phase === 'Bound') return [{ volume, name, ...(claim ? { claim } : {}) }];
      const last = (await eventsOf(client, namespace!, 'PersistentVolumeClaim', name)).at(-1);
      return [{ volume, name, claim, ...(last ? { said: `${last.reason}: ${last.message}` } : {}) }];
    }),
  );
  return found.flat();
}
