// Which volumes suit a claim.
import { everything, nothing, type Selector, selectorFromLabelSelector } from '../../../api/label-selector.ts';
import { parseQuantity, type Quantity } from '../../../api/quantity.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../api/type/core-v1.ts';

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

/** The annotation is older than the field, and counts first. */
export const claimClass = ({ metadata, spec }: PersistentVolumeClaim): string =>
  metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';

/** It says which class it wants, if only that it wants none. */
export const hasClass = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  classAnnotation in (metadata.annotations ?? {}) || spec?.storageClassName !== undefined;

export const volumeClass = ({ metadata, spec }: PersistentVolume): string =>
  metadata.annotations?.[classAnnotation] ?? spec?.storageClassName ?? '';

/** The volume names this claim; without a uid it was set aside for whichever claim gets the name. */
export function isBoundTo({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const ref = spec?.claimRef;
  if (!ref || ref.name !== metadata.name || ref.namespace !== metadata.namespace) return false;
  return !ref.uid || ref.uid === metadata.uid;
}

const capacityOf = (volume: PersistentVolume): Quantity => parseQuantity(volume.spec?.capacity?.storage ?? 0);
const requestOf = (claim: PersistentVolumeClaim): Quantity =>
  parseQuantity(claim.spec?.resources?.requests?.storage ?? 0);

const modeOf = (o: PersistentVolume | PersistentVolumeClaim): string => o.spec?.volumeMode ?? 'Filesystem';
export const sameMode = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  modeOf(volume) === modeOf(claim);

const hasModes = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (claim.spec?.accessModes ?? []).every(m => volume.spec?.accessModes?.includes(m));

const sameAttributes = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (volume.spec?.volumeAttributesClassName ?? '') === (claim.spec?.volumeAttributesClassName ?? '');

/** Why a volume that the claim asks for by name cannot be had; undefined when it can. */
export function mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (capacityOf(volume).compare(requestOf(claim)) < 0) return 'requested PV is too small';
  if (claimClass(claim) !== volumeClass(volume)) return 'storageClassName does not match';
  if (!sameMode(volume, claim)) return 'incompatible volumeMode';
  if (!hasModes(volume, claim)) return 'incompatible accessMode';
  if (!sameAttributes(volume, claim)) return 'volumeAttributesClassName does not match';
  return undefined;
}

function selectorOf({ spec }: PersistentVolumeClaim): Selector {
  if (!spec?.selector) return everything();
  try {
    return selectorFromLabelSelector(spec.selector);
  } catch {
    return nothing();
  }
}

/**
 * The volume set aside for the claim, else the smallest that is free and large enough, of those that offer the fewest
 * access modes besides what is asked for. With `delayed` only the former: the scheduler chooses.
 */
export function bestVolume(
  volumes: readonly PersistentVolume[],
  claim: PersistentVolumeClaim,
  delayed: boolean,
): PersistentVolume | undefined {
  const request = requestOf(claim);
  const selector = selectorOf(claim);
  const wanted = claimClass(claim);
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (volume.metadata.deletionTimestamp || capacityOf(volume).compare(request) < 0) continue;
    if (!sameMode(volume, claim) || !hasModes(volume, claim) || !sameAttributes(volume, claim)) continue;
    if (isBoundTo(volume, claim)) return volume;
    if (delayed || volume.spec?.claimRef || volume.status?.phase !== 'Available') continue;
    if (volumeClass(volume) !== wanted || !selector.matches(volume.metadata.labels)) continue;
    if (!best || isBetter(volume, best)) best = volume;
  }
  return best;
}

function isBetter(a: PersistentVolume, b: PersistentVolume): boolean {
  const modes = (a.spec?.accessModes?.length ?? 0) - (b.spec?.accessModes?.length ?? 0);
  if (modes !== 0) return modes < 0;
  const size = capacityOf(a).compare(capacityOf(b));
  return size !== 0 ? size < 0 : a.metadata.name < b.metadata.name;
}
