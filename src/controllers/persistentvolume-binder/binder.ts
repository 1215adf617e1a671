// Carries out the steps: what is written to claims and volumes, and in which order, so that a stop at any point can be
// taken up again.
import { cloneDeep, type Draft, formatTime, type KubeObject, keyOf, type Mutable } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { coreV1 } from '../../api/refs.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../api/type/core-v1.ts';
import type { Lister } from '../../client/informer.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { bindCompleted, boundByController, provisionerAnnotations } from './kernel/claim-step.ts';
import { isBoundTo } from './kernel/volume-match.ts';

/** Objects of a lister, or what was written of them where the lister is behind. */
export class Newest<T extends KubeObject> {
  readonly #lister: Lister<T>;
  readonly #written = new Map<string, T>();

  constructor(lister: Lister<T>) {
    this.#lister = lister;
  }

  get(key: string): T | undefined {
    const shown = this.#lister.get(key);
    return shown && this.#newer(shown);
  }

  list(): readonly T[] {
    const all = this.#lister.list();
    return this.#written.size === 0 ? all : all.map(o => this.#newer(o));
  }

  wrote(object: T): T {
    this.#written.set(keyOf(object), object);
    return object;
  }

  forget(key: string): void {
    this.#written.delete(key);
  }

  #newer(shown: T): T {
    const key = keyOf(shown);
    const written = this.#written.get(key);
    if (!written) return shown;
    const { uid, resourceVersion } = shown.metadata;
    if (written.metadata.uid === uid && Number(written.metadata.resourceVersion) > Number(resourceVersion))
      return written;
    this.#written.delete(key);
    return shown;
  }
}

type Phase<T extends { status?: { phase?: string } }> = NonNullable<NonNullable<T['status']>['phase']>;

export class Binder {
  readonly #context: ControllerContext;
  readonly volumes: Newest<PersistentVolume>;
  readonly claims: Newest<PersistentVolumeClaim>;

  constructor(context: ControllerContext) {
    this.#context = context;
    this.volumes = new Newest(context.lister(coreV1.persistentvolumes));
    this.claims = new Newest(context.lister(coreV1.persistentvolumeclaims));
  }

  /** Volume first: a claim without volume is bound later, a volume without claim is set free. Each step may be there already. */
  async bind(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const named = await this.#nameClaim(volume, claim);
    const bound = await this.setVolumePhase(named, 'Bound');
    const taken = await this.#nameVolume(claim, bound);
    await this.setClaimPhase(taken, 'Bound', bound);
  }

  async #nameClaim(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<PersistentVolume> {
    const { name, namespace, uid, resourceVersion } = claim.metadata;
    if (volume.spec?.claimRef?.uid === uid && isBoundTo(volume, claim)) return volume;
    const draft = cloneDeep(volume) as Mutable<PersistentVolume>;
    // Whoever set it aside in advance gets it back so.
    if (!isBoundTo(volume, claim)) annotate(draft, boundByController, 'yes');
    draft.spec = {
      ...draft.spec,
      claimRef: { kind: 'PersistentVolumeClaim', namespace: namespace!, name, uid, apiVersion: 'v1', resourceVersion },
    } as typeof draft.spec;
    return this.volumes.wrote(await this.#update(coreV1.persistentvolumes, draft));
  }

  async #nameVolume(claim: PersistentVolumeClaim, volume: PersistentVolume): Promise<PersistentVolumeClaim> {
    const named = claim.spec?.volumeName === volume.metadata.name;
    if (named && bindCompleted in (claim.metadata.annotations ?? {})) return claim;
    const draft = cloneDeep(claim) as Mutable<PersistentVolumeClaim>;
    if (!named) {
      draft.spec = { ...draft.spec, volumeName: volume.metadata.name } as typeof draft.spec;
      annotate(draft, boundByController, 'yes');
    }
    annotate(draft, bindCompleted, 'yes');
    return this.claims.wrote(await this.#update(coreV1.persistentvolumeclaims, draft));
  }

  /** What the controller named it takes back whole; what a person named keeps the name. */
  async unbind(volume: PersistentVolume): Promise<void> {
    const draft = cloneDeep(volume) as Mutable<PersistentVolume> & { spec: { claimRef?: { uid?: string } } };
    if (boundByController in (volume.metadata.annotations ?? {})) {
      delete draft.spec.claimRef;
      annotate(draft, boundByController, undefined);
    } else delete draft.spec.claimRef?.uid;
    const freed = this.volumes.wrote(await this.#update(coreV1.persistentvolumes, draft));
    await this.setVolumePhase(freed, 'Available');
  }

  async assignClass(claim: PersistentVolumeClaim, name: string): Promise<void> {
    const draft = cloneDeep(claim) as Mutable<PersistentVolumeClaim>;
    draft.spec = { ...draft.spec, storageClassName: name } as typeof draft.spec;
    this.claims.wrote(await this.#update(coreV1.persistentvolumeclaims, draft));
  }

  /** Calls the provisioner by name. */
  async callProvisioner(claim: PersistentVolumeClaim, provisioner: string): Promise<void> {
    if (provisionerAnnotations.every(a => claim.metadata.annotations?.[a] === provisioner)) return;
    const draft = cloneDeep(claim) as Mutable<PersistentVolumeClaim>;
    for (const annotation of provisionerAnnotations) annotate(draft, annotation, provisioner);
    this.claims.wrote(await this.#update(coreV1.persistentvolumeclaims, draft));
  }

  /** Resolves with the volume as it is then; `message` tells why it failed. */
  async setVolumePhase(
    volume: PersistentVolume,
    phase: Phase<PersistentVolume>,
    message = '',
  ): Promise<PersistentVolume> {
    // In the same phase the rest of the status is others' to write.
    if (volume.status?.phase === phase) return volume;
    const { reason } = volume.status ?? {};
    const draft = {
      ...cloneDeep(volume),
      status: {
        phase,
        ...(message ? { message } : {}),
        ...(reason ? { reason } : {}),
        lastPhaseTransitionTime: formatTime(this.#context.clock.now()),
      },
    } as Draft<PersistentVolume>;
    return this.volumes.wrote(await this.#context.client.updateStatus(coreV1.persistentvolumes, draft));
  }

  async setClaimPhase(
    claim: PersistentVolumeClaim,
    phase: Phase<PersistentVolumeClaim>,
    volume?: PersistentVolume,
  ): Promise<void> {
    const { accessModes: _, capacity: old, ...rest } = claim.status ?? {};
    const { accessModes, capacity, volumeAttributesClassName } = volume?.spec ?? {};
    // The file system may be smaller than its device: a claim that is bound already keeps what it says.
    const shown = claim.status?.phase === 'Bound' && old && volume ? old : capacity;
    const status = {
      ...rest,
      phase,
      ...(accessModes ? { accessModes } : {}),
      ...(shown ? { capacity: shown } : {}),
      ...(volumeAttributesClassName ? { currentVolumeAttributesClassName: volumeAttributesClassName } : {}),
    };
    if (semanticEqual(status, claim.status)) return;
    const draft = { ...cloneDeep(claim), status: cloneDeep(status) } as Draft<PersistentVolumeClaim>;
    this.claims.wrote(await this.#context.client.updateStatus(coreV1.persistentvolumeclaims, draft));
  }

  #update<T extends KubeObject>(resource: ResourceRef<T>, draft: Mutable<T>): Promise<T> {
    return this.#context.client.update(resource, draft as Draft<T>);
  }
}

function annotate(draft: { metadata: Mutable<KubeObject>['metadata'] }, key: string, value: string | undefined): void {
  const annotations: Record<string, string> = { ...draft.metadata.annotations };
  if (value === undefined) delete annotations[key];
  else annotations[key] = value;
  if (Object.keys(annotations).length > 0) draft.metadata.annotations = annotations;
  else delete draft.metadata.annotations;
}
