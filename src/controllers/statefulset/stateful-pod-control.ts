// Makes, repairs and deletes a StatefulSet's pods and their claims, with the events that tell of it.
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type { StatefulSet } from '../../api/type/apps-v1.ts';
import type { PersistentVolumeClaim, Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import { referenceTo } from '../../client/event-recorder.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import type { OwnWrites } from '../../engine/own-writes.ts';
import { hasOtherController, isStale, wantedOwners } from './kernel/claim-owner.ts';
import { claimName, claimsFor, hasIdentity, ordinalIn, withIdentity } from './kernel/identity.ts';

type Verb = 'create' | 'update' | 'delete';

export class StatefulPodControl {
  readonly #context: ControllerContext;
  readonly #writes: OwnWrites;

  constructor(context: ControllerContext, writes: OwnWrites) {
    this.#context = context;
    this.#writes = writes;
  }

  /** Claims first. Rejects without an event when the pod exists already, which the informer has not shown yet. */
  async create(set: StatefulSet, draft: Draft<Pod>, ordinal: number): Promise<Pod> {
    const name = draft.metadata!.name!;
    try {
      const claims = await this.ensureClaims(set, name, ordinal);
      const pod = await this.#context.client.create(coreV1.pods, draft);
      this.#writes.wrote(set, coreV1.pods, pod);
      await this.#own(set, pod, ordinal, claims);
      this.#tell(set, 'create', name);
      return pod;
    } catch (error) {
      if (!isAlreadyExists(error)) this.#tell(set, 'create', name, error);
      throw error;
    }
  }

  async delete(set: StatefulSet, pod: Pod): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    try {
      const key = { namespace: namespace!, name };
      const answer = await this.#context.client.delete(coreV1.pods, key, { preconditions: { uid } });
      this.#writes.wrote(set, coreV1.pods, answer);
      this.#tell(set, 'delete', name);
    } catch (error) {
      if (isNotFound(error)) return;
      this.#tell(set, 'delete', name, error);
      throw error;
    }
  }

  /** Gives a pod the identity and the volumes it should have, and its claims the owners they should have. */
  async repair(set: StatefulSet, pod: Pod): Promise<void> {
    const ordinal = ordinalIn(set, pod)!;
    await this.fixOwners(set, pod);
    if (hasIdentity(set, pod, ordinal)) return;
    const { name } = pod.metadata;
    try {
      await this.ensureClaims(set, name, ordinal);
      const repaired = await this.#context.client.update(coreV1.pods, withIdentity(set, pod, ordinal));
      this.#writes.wrote(set, coreV1.pods, repaired);
      this.#tell(set, 'update', name);
    } catch (error) {
      this.#tell(set, 'update', name, error);
      throw error;
    }
  }

  async fixOwners(set: StatefulSet, pod: Pod): Promise<void> {
    const ordinal = ordinalIn(set, pod)!;
    await this.#own(set, pod, ordinal, this.#claims(set, ordinal));
  }

  /** The claims of the ordinal, made where they are missing. */
  async ensureClaims(set: StatefulSet, podName: string, ordinal: number): Promise<PersistentVolumeClaim[]> {
    const lister = this.#context.lister(coreV1.persistentvolumeclaims);
    const claims: PersistentVolumeClaim[] = [];
    for (const draft of claimsFor(set, ordinal)) {
      const { name, namespace } = draft.metadata!;
      const found = lister.get(`${namespace}/${name}`);
      if (found?.metadata.deletionTimestamp) throw new Error(`pvc ${name} is being deleted`);
      claims.push(found ?? (await this.#createClaim(set, podName, draft)));
    }
    return claims;
  }

  /** A claim of the pod to be belongs to its predecessor still. */
  isStale(set: StatefulSet, podName: string): boolean {
    const ordinal = Number(podName.slice(podName.lastIndexOf('-') + 1));
    return this.#claims(set, ordinal).some(c => isStale(c, set, podName));
  }

  #claims(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
    const lister = this.#context.lister(coreV1.persistentvolumeclaims);
    const names = (set.spec.volumeClaimTemplates ?? []).map(t => claimName(set, t.metadata.name, ordinal));
    return names.map(n => lister.get(`${set.metadata.namespace}/${n}`)).filter(c => c !== undefined);
  }

  async #createClaim(
    set: StatefulSet,
    podName: string,
    draft: Draft<PersistentVolumeClaim>,
  ): Promise<PersistentVolumeClaim> {
    const name = draft.metadata!.name!;
    const about = referenceTo(set, appsV1.statefulsets);
    const where = `Pod ${podName} in StatefulSet ${set.metadata.name}`;
    try {
      const claim = await this.#context.client.create(coreV1.persistentvolumeclaims, draft);
      this.#writes.wrote(set, coreV1.persistentvolumeclaims, claim);
      this.#context.events.event(about, 'Normal', 'SuccessfulCreate', `create Claim ${name} ${where} success`);
      return claim;
    } catch (error) {
      if (isAlreadyExists(error)) {
        const key = { namespace: set.metadata.namespace!, name };
        return this.#context.client.get(coreV1.persistentvolumeclaims, key);
      }
      const message = `create Claim ${name} for ${where} failed error: ${messageOf(error)}`;
      this.#context.events.event(about, 'Warning', 'FailedCreate', message);
      throw new Error(`failed to create PVC ${name}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #own(set: StatefulSet, pod: Pod, ordinal: number, claims: readonly PersistentVolumeClaim[]): Promise<void> {
    for (const claim of claims)
      try {
        await this.#ownClaim(set, pod, ordinal, claim);
      } catch (error) {
        // The scheduler and the binder write to a claim as soon as they see its pod.
        if (!isConflict(error)) throw error;
        const { namespace, name } = claim.metadata;
        const key = { namespace: namespace!, name };
        const now = await this.#context.client.get(coreV1.persistentvolumeclaims, key);
        await this.#ownClaim(set, pod, ordinal, now);
      }
  }

  async #ownClaim(set: StatefulSet, pod: Pod, ordinal: number, claim: PersistentVolumeClaim): Promise<void> {
    if (claim.metadata.deletionTimestamp) return;
    const ownerReferences = wantedOwners(claim, set, pod, ordinal);
    if (!ownerReferences) return;
    if (hasOtherController(claim, set, pod)) this.#tellConflict(set, claim.metadata.name);
    const draft = cloneDeep(claim);
    const next = { ...draft, metadata: { ...draft.metadata, ownerReferences } } as Draft<PersistentVolumeClaim>;
    const written = await this.#context.client.update(coreV1.persistentvolumeclaims, next);
    this.#writes.wrote(set, coreV1.persistentvolumeclaims, written);
  }

  #tellConflict(set: StatefulSet, claim: string): void {
    // "manging" is how Kubernetes spells it.
    const message = `PersistentVolumeClaim ${claim} has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim`;
    this.#context.events.event(referenceTo(set, appsV1.statefulsets), 'Warning', 'ConflictingController', message);
  }

  #tell(set: StatefulSet, verb: Verb, pod: string, error?: unknown): void {
    const about = referenceTo(set, appsV1.statefulsets);
    const what = `${verb} Pod ${pod} in StatefulSet ${set.metadata.name}`;
    const capital = verb.charAt(0).toUpperCase() + verb.slice(1);
    if (error === undefined) this.#context.events.event(about, 'Normal', `Successful${capital}`, `${what} successful`);
    else this.#context.events.event(about, 'Warning', `Failed${capital}`, `${what} failed error: ${messageOf(error)}`);
  }
}
