// Writes to claims: what was allocated, for whom, and taking it back.
import { cloneDeep, type Draft, keyOf, parseKey } from '../../../api/meta.ts';
import { coreV1, resourceV1 } from '../../../api/refs.ts';
import { isConflict, isNotFound } from '../../../api/status.ts';
import type { AllocationResult, ResourceClaim } from '../../../api/type/resource-v1.ts';
import type { Client } from '../../../client/client.ts';
import type { PodInfo } from '../../pod-info.ts';
import type { ClaimTracker } from './claim-tracker.ts';
import { type ExtendedRequest, extendedClaimAnnotation } from './extended-resources.ts';
import { allocationFinalizer, isReservedFor } from './pod-claims.ts';

const tries = 5;

export class ClaimWriter {
  readonly #client: Client;
  readonly #claims: ClaimTracker;

  constructor(client: Client, claims: ClaimTracker) {
    this.#client = client;
    this.#claims = claims;
  }

  /** Reserves a claim for the pod, with the allocation if it has none yet. Throws when it is no longer what it was. */
  async bind(claim: ResourceClaim, pod: PodInfo, allocation: AllocationResult | undefined): Promise<void> {
    let current = this.#claims.get(keyOf(claim)) ?? claim;
    for (let n = 1; ; n++) {
      try {
        this.#check(current, claim, allocation);
        if (allocation && !current.metadata.finalizers?.includes(allocationFinalizer)) {
          const draft = cloneDeep(current) as Draft<ResourceClaim>;
          draft.metadata!.finalizers = [...(current.metadata.finalizers ?? []), allocationFinalizer];
          current = await this.#client.update(resourceV1.resourceclaims, draft);
        }
        const consumer = { resource: 'pods', name: pod.name, uid: pod.pod.metadata.uid! };
        const holders = current.status?.reservedFor ?? [];
        const status = {
          ...current.status,
          ...(allocation ? { allocation } : {}),
          reservedFor: isReservedFor(current, consumer.uid) ? holders : [...holders, consumer],
        };
        const draft = { ...current, status } as Draft<ResourceClaim>;
        this.#claims.written(await this.#client.updateStatus(resourceV1.resourceclaims, draft));
        return;
      } catch (error) {
        if (!isConflict(error) || n === tries) throw error;
        current = await this.#client.get(resourceV1.resourceclaims, parseKey(keyOf(claim)) as never);
      }
    }
  }

  #check(current: ResourceClaim, claim: ResourceClaim, allocation: AllocationResult | undefined): void {
    const { name } = claim.metadata;
    if (current.metadata.uid !== claim.metadata.uid || current.metadata.deletionTimestamp)
      throw new Error(`claim ${name} got deleted in the meantime`);
    if (allocation && current.status?.allocation)
      throw new Error(`claim ${name} got allocated elsewhere in the meantime`);
    if (!allocation && !current.status?.allocation)
      throw new Error(`claim ${name} got deallocated elsewhere in the meantime`);
  }

  /** The pod will not come. */
  async unreserve(claim: ResourceClaim, podUid: string): Promise<void> {
    const { uid } = claim.metadata;
    const body = { metadata: { uid }, status: { reservedFor: [{ $patch: 'delete', uid: podUid }] } };
    await this.#client
      .patch(
        resourceV1.resourceclaims,
        parseKey(keyOf(claim)) as never,
        { type: 'strategic', body },
        { subresource: 'status' },
      )
      .then(now => this.#claims.written(now as ResourceClaim))
      .catch(ifThere);
  }

  /** Its devices are free for others. */
  async deallocate(claim: ResourceClaim): Promise<void> {
    const draft = cloneDeep(claim) as Draft<ResourceClaim>;
    delete draft.status!.reservedFor;
    delete draft.status!.allocation;
    delete draft.status!.devices;
    this.#claims.written(await this.#client.updateStatus(resourceV1.resourceclaims, draft));
  }

  /** The claim behind a pod's extended resources. */
  async create(pod: PodInfo, requests: readonly ExtendedRequest[]): Promise<ResourceClaim> {
    const { name, uid } = pod.pod.metadata;
    const owner = { apiVersion: 'v1', kind: 'Pod', name: name!, uid: uid!, controller: true, blockOwnerDeletion: true };
    return this.#client.create(resourceV1.resourceclaims, {
      metadata: {
        namespace: pod.namespace,
        generateName: `${name}-extended-resources-`,
        annotations: { [extendedClaimAnnotation]: 'true' },
        ownerReferences: [owner],
        finalizers: [allocationFinalizer],
      },
      spec: { devices: { requests: requests.map(r => r.request) } },
    } as Draft<ResourceClaim>);
  }

  async tellPod(pod: PodInfo, claim: ResourceClaim, requests: readonly ExtendedRequest[]): Promise<void> {
    const { namespace, name, uid } = pod.pod.metadata;
    const extendedResourceClaimStatus = {
      resourceClaimName: claim.metadata.name!,
      requestMappings: requests.map(({ containerName, resourceName, request }) => ({
        containerName,
        resourceName,
        requestName: request.name,
      })),
    };
    await this.#client.patch(
      coreV1.pods,
      { namespace: namespace!, name: name! },
      { type: 'strategic', body: { metadata: { uid }, status: { extendedResourceClaimStatus } } },
      { subresource: 'status' },
    );
  }

  /** Of a claim that `create` made. */
  async remove(claim: ResourceClaim): Promise<void> {
    const { namespace, name, uid } = claim.metadata;
    const key = { namespace: namespace!, name: name! };
    try {
      const now = await this.#client.get(resourceV1.resourceclaims, key);
      const draft = cloneDeep(now) as Draft<ResourceClaim>;
      draft.metadata!.finalizers = (now.metadata.finalizers ?? []).filter(f => f !== allocationFinalizer);
      await this.#client.delete(resourceV1.resourceclaims, key, { preconditions: { uid: uid! } });
      await this.#client.update(resourceV1.resourceclaims, {
        ...draft,
        metadata: { ...draft.metadata, resourceVersion: undefined },
      } as Draft<ResourceClaim>);
    } catch (error) {
      ifThere(error);
    }
  }
}

function ifThere(error: unknown): void {
  if (!isNotFound(error)) throw error;
}
