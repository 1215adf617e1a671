// resourceclaim-controller: makes claims of devices from templates for pods, and lets go what no pod holds any more.
import { cloneDeep, type Draft, keyOf, parseKey } from '../../api/meta.ts';
import { coreV1, resourceV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ResourceClaim } from '../../api/type/resource-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { CounterMetric } from '../../base/metrics.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { controllerOf } from '../../engine/controller-ref.ts';
import {
  allocationFinalizer,
  claimNameOf,
  generatedPrefix,
  isUsing,
  type PodClaim,
  podClaimAnnotation,
  podClaims,
  validHolders,
} from './kernel/claim.ts';

const byOwner = 'pod-owner';
const byTemplate = 'template';
const podKey = (key: string) => `pod:${key}`;
const claimKey = (key: string) => `claim:${key}`;

export function resourceClaimController(): Controller {
  return {
    name: 'resourceclaim-controller',
    queue: 'resource_claim',
    serviceAccount: 'resource-claim-controller',
    component: 'resource_claim',
    workers: 10,
    watches: [
      { resource: coreV1.pods, keys: keysOfPod },
      {
        resource: resourceV1.resourceclaims,
        keys: (claim: ResourceClaim, _old, _context, deleted) => {
          const owner = controllerOf(claim);
          const pod = owner?.kind === 'Pod' ? [podKey(`${claim.metadata.namespace}/${owner.name}`)] : [];
          return deleted ? pod : [claimKey(keyOf(claim)), ...pod];
        },
      },
      {
        resource: resourceV1.resourceclaimtemplates,
        keys: (template, _old, context, deleted) =>
          deleted
            ? []
            : context
                .lister(coreV1.pods)
                .byIndex(byTemplate, keyOf(template))
                .map(pod => podKey(keyOf(pod))),
      },
    ],
    indexes: [
      {
        resource: resourceV1.resourceclaims,
        name: byOwner,
        values: (claim: ResourceClaim) => [controllerOf(claim)?.uid ?? ''].filter(Boolean),
      },
      {
        resource: coreV1.pods,
        name: byTemplate,
        values: (pod: Pod) =>
          podClaims(pod).flatMap(c =>
            c.resourceClaimTemplateName ? [`${pod.metadata.namespace}/${c.resourceClaimTemplateName}`] : [],
          ),
      },
    ],
    writes: ['resourceclaims.resource.k8s.io', 'resourceclaims.resource.k8s.io/status', 'pods/status', 'events'],
    create: context => new ResourceClaims(context),
  };
}

function keysOfPod(pod: Pod, old: Pod | undefined, _context: ControllerContext, deleted: boolean): string[] {
  if (podClaims(pod).length === 0) return [];
  const held = () =>
    podClaims(pod).flatMap(c => {
      const name = claimNameOf(pod, c);
      return name ? [claimKey(`${pod.metadata.namespace}/${name}`)] : [];
    });
  // The end of a use can let claims go; before it, the pod may want some.
  if (deleted || !isUsing(pod)) return held();
  const replaced = old && old.metadata.uid !== pod.metadata.uid;
  return [podKey(keyOf(pod)), ...(replaced ? held() : [])];
}

class ResourceClaims {
  readonly #context: ControllerContext;
  readonly #creates: CounterMetric;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.#creates = context.metrics.counter(
      'resourceclaim_controller_creates_total',
      'Number of ResourceClaims creation requests, categorized by creation status and admin access',
      ['status', 'admin_access'],
    );
    tellClaims(context);
  }

  reconcile(key: string): Promise<void> {
    const at = key.indexOf(':');
    const object = key.slice(at + 1);
    return key.slice(0, at) === 'pod' ? this.#pod(object) : this.#claim(object);
  }

  async #pod(key: string): Promise<void> {
    const pod = this.#context.lister(coreV1.pods).get(key);
    if (!pod || pod.metadata.deletionTimestamp || !isUsing(pod)) return;
    const made: { name: string; resourceClaimName: string }[] = [];
    for (const entry of podClaims(pod)) {
      if (!entry.resourceClaimTemplateName) continue;
      try {
        const name = await this.#provide(pod, entry);
        if (name) made.push({ name: entry.name, resourceClaimName: name });
      } catch (error) {
        const message = `PodResourceClaim ${entry.name}: ${messageOf(error)}`;
        this.#context.events.event(pod, 'Warning', 'FailedResourceClaimCreation', message);
        throw error;
      }
    }
    if (made.length) await this.#tellPod(pod, made);
    // A scheduler reserves what it allocates; a pod that came to its node without one needs it done here.
    if (pod.spec.nodeName) await this.#reserveAll(pod);
  }

  /** The name of the claim, when the pod's status does not tell it yet. */
  async #provide(pod: Pod, entry: PodClaim): Promise<string | undefined> {
    const { lister, client } = this.#context;
    const { namespace, name, uid } = pod.metadata;
    const claims = lister(resourceV1.resourceclaims);
    const known = claimNameOf(pod, entry);
    if (known === null) return undefined;
    if (known !== undefined) {
      const claim = claims.get(`${namespace}/${known}`);
      if (claim && controllerOf(claim)?.uid !== uid)
        throw new Error(`ResourceClaim ${known} was not created for pod ${namespace}/${name} (pod is not owner)`);
      if (claim) return undefined;
    }
    const mine = claims
      .byIndex(byOwner, uid)
      .find(c => c.metadata.annotations?.[podClaimAnnotation] === entry.name && !c.metadata.deletionTimestamp);
    if (mine) return mine.metadata.name;
    const templateName = entry.resourceClaimTemplateName!;
    const template = lister(resourceV1.resourceclaimtemplates).get(`${namespace}/${templateName}`);
    if (!template)
      throw new Error(
        `resource claim template ${JSON.stringify(templateName)}: resourceclaimtemplate.resource.k8s.io ${JSON.stringify(templateName)} not found`,
      );
    const { labels, annotations } = template.spec.metadata ?? {};
    const draft = {
      metadata: {
        generateName: generatedPrefix(name, entry.name),
        namespace,
        ...(labels ? { labels } : {}),
        annotations: { ...annotations, [podClaimAnnotation]: entry.name },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid, controller: true, blockOwnerDeletion: true }],
      },
      spec: template.spec.spec,
    } as Draft<ResourceClaim>;
    const admin_access = String(hasAdminAccess(template.spec.spec));
    try {
      const created = await client.create(resourceV1.resourceclaims, draft);
      this.#creates.inc({ status: 'success', admin_access });
      return created.metadata.name;
    } catch (error) {
      this.#creates.inc({ status: 'failure', admin_access });
      throw error;
    }
  }

  async #tellPod(pod: Pod, made: readonly { name: string; resourceClaimName: string }[]): Promise<void> {
    const { namespace, name, uid } = pod.metadata;
    const wanted = podClaims(pod).flatMap(({ name: entry }) => {
      const fresh = made.find(m => m.name === entry);
      const old = pod.status?.resourceClaimStatuses?.find(s => s.name === entry);
      return fresh ?? old ?? [];
    });
    const body = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace, uid },
      status: { resourceClaimStatuses: wanted },
    };
    await this.#context.client.patch(
      coreV1.pods,
      { namespace: namespace!, name },
      { type: 'apply', body, force: true },
      { subresource: 'status', fieldManager: 'ResourceClaimController' },
    );
  }

  async #reserveAll(pod: Pod): Promise<void> {
    const { lister, client } = this.#context;
    const { namespace, name, uid } = pod.metadata;
    for (const entry of podClaims(pod)) {
      const claimName = claimNameOf(pod, entry);
      const claim = claimName ? lister(resourceV1.resourceclaims).get(`${namespace}/${claimName}`) : undefined;
      const holders = claim?.status?.reservedFor ?? [];
      if (!claim?.status?.allocation || holders.some(h => h.uid === uid)) continue;
      const draft = cloneDeep(claim) as Draft<ResourceClaim>;
      draft.status!.reservedFor = [...holders, { resource: 'pods', name, uid }];
      await client.updateStatus(resourceV1.resourceclaims, draft);
    }
  }

  async #claim(key: string): Promise<void> {
    const { lister, client } = this.#context;
    const claim = lister(resourceV1.resourceclaims).get(key);
    if (!claim) return;
    const { namespace } = parseKey(key);
    const held = claim.status?.reservedFor ?? [];
    const pods = lister(coreV1.pods);
    const suspects = validHolders(claim, name => pods.get(`${namespace}/${name}`));
    // The local copy may lack a pod that the claim was reserved for just now.
    const valid =
      suspects.length === held.length ? suspects : validHolders(claim, await this.#livePods(claim, namespace!));
    const finalized = claim.metadata.finalizers?.includes(allocationFinalizer) === true;
    let current = claim;
    if (valid.length < held.length) {
      const draft = cloneDeep(current) as Draft<ResourceClaim>;
      draft.status!.reservedFor = valid.map(h => ({ ...h }));
      if (valid.length === 0) delete draft.status!.reservedFor;
      if (valid.length === 0 && finalized) delete draft.status!.allocation;
      current = await client.updateStatus(resourceV1.resourceclaims, draft);
    } else if (finalized && valid.length === 0 && claim.metadata.deletionTimestamp && claim.status?.allocation) {
      const draft = cloneDeep(current) as Draft<ResourceClaim>;
      delete draft.status!.allocation;
      current = await client.updateStatus(resourceV1.resourceclaims, draft);
    }
    if (
      finalized &&
      valid.length === 0 &&
      !current.status?.allocation &&
      (held.length > 0 || claim.metadata.deletionTimestamp)
    ) {
      const draft = cloneDeep(current) as Draft<ResourceClaim>;
      draft.metadata!.finalizers = (current.metadata.finalizers ?? []).filter(f => f !== allocationFinalizer);
      await client.update(resourceV1.resourceclaims, draft);
    }
    if (valid.length === 0) await this.#deleteIfDone(claim);
  }

  async #livePods(claim: ResourceClaim, namespace: string): Promise<(name: string) => Pod | undefined> {
    const found = new Map<string, Pod>();
    for (const { apiGroup, resource, name } of claim.status?.reservedFor ?? []) {
      if (apiGroup || resource !== 'pods') continue;
      const pod = await this.#context.client.get(coreV1.pods, { namespace, name }).catch(error => {
        if (!isNotFound(error)) throw error;
        return undefined;
      });
      if (pod) found.set(name, pod);
    }
    return name => found.get(name);
  }

  /** A claim made for a pod that is done need not wait for the pod's deletion. */
  async #deleteIfDone(claim: ResourceClaim): Promise<void> {
    const owner = controllerOf(claim);
    if (owner?.kind !== 'Pod' || owner.apiVersion !== 'v1' || claim.metadata.deletionTimestamp) return;
    const { namespace, name, uid } = claim.metadata;
    const pod = this.#context.lister(coreV1.pods).get(`${namespace}/${owner.name}`);
    if (!pod || pod.metadata.uid !== owner.uid || isUsing(pod)) return;
    await this.#context.client
      .delete(resourceV1.resourceclaims, { namespace: namespace!, name }, { preconditions: { uid } })
      .catch(error => {
        if (!isNotFound(error)) throw error;
      });
  }
}

const hasAdminAccess = ({ devices }: ResourceClaim['spec']): boolean =>
  devices?.requests?.some(r => r.exactly?.adminAccess) ?? false;

/** How many claims there are, counted when metrics are asked for. */
function tellClaims({ metrics, lister }: ControllerContext): void {
  const gauge = metrics.gauge(
    'resourceclaim_controller_resource_claims',
    'Number of ResourceClaims, categorized by allocation status, admin access, and source. Source can be "resource_claim_template" (created from a template), "extended_resource" (extended resources), or empty (manually created by a user).',
    ['allocated', 'admin_access', 'source'],
  );
  let told: Record<string, string>[] = [];
  metrics.onCollect(() => {
    const counts = new Map<string, { labels: Record<string, string>; count: number }>();
    for (const { metadata, spec, status } of lister(resourceV1.resourceclaims).list()) {
      const { annotations = {} } = metadata;
      const source =
        podClaimAnnotation in annotations
          ? 'resource_claim_template'
          : annotations['resource.kubernetes.io/extended-resource-claim'] === 'true'
            ? 'extended_resource'
            : '';
      const labels = {
        allocated: String(status?.allocation !== undefined),
        admin_access: String(hasAdminAccess(spec)),
        source,
      };
      const key = Object.values(labels).join();
      counts.getOrInsertComputed(key, () => ({ labels, count: 0 })).count++;
    }
    for (const labels of told) gauge.remove(labels);
    told = [...counts.values()].map(({ labels, count }) => {
      gauge.set(labels, count);
      return labels;
    });
  });
}
