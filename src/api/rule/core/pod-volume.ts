// Volumes of a pod.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain, longerThan } from '../../name-rule.ts';
import type { Volume } from '../../type/core-v1.ts';
import type { ObjectMeta } from '../../type/meta-v1.ts';
import { validateAnnotations, validateLabels } from '../meta.ts';
import { validateClaimSpec } from './claim-spec.ts';
import { validatePullPolicy } from './pod-common.ts';
import { FILE_MODE_ERROR, validateDescendingPath, validateNoBacksteps } from './pod-path.ts';
import { isFileMode, validateConfigFiles, validateDownwardFile, validateProjected } from './pod-volume-file.ts';
import { validateNetworkVolume } from './pod-volume-network.ts';
import { amount } from './resource-name.ts';

export type Volumes = ReadonlyMap<string, Volume>;

/** Facts about the pod the volumes belong to; a template has none. */
export interface VolumeOwner {
  readonly podName: string;
  readonly isPod: boolean;
}

/** Checks all volumes; returns those that are valid, by name. */
export function validateVolumes(
  volumes: readonly Volume[] | undefined,
  owner: VolumeOwner,
  at: FieldPath,
  errors: FieldErrors,
): Volumes {
  const valid = new Map<string, Volume>();
  if (!volumes) return valid;
  const made = new Set<string>();
  for (let i = 0; i < volumes.length; i++) {
    const volume = volumes[i]!;
    const here = at.index(i);
    const before = errors.list.length;
    validateSource(volume, owner, here, errors);
    if (!volume.name) errors.required(here.child('name'));
    else for (const m of isDns1123Label(volume.name)) errors.invalid(here.child('name'), volume.name, m);
    if (valid.has(volume.name)) errors.duplicate(here.child('name'), volume.name);
    if (errors.list.length === before) valid.set(volume.name, volume);
    if (volume.ephemeral && owner.podName) made.add(`${owner.podName}-${volume.name}`);
  }
  if (made.size === 0) return valid;
  for (const [i, { persistentVolumeClaim: claim }] of volumes.entries()) {
    if (claim && made.has(claim.claimName))
      errors.invalid(
        at.index(i).child('persistentVolumeClaim', 'claimName'),
        claim.claimName,
        'must not reference a PVC that gets created for an ephemeral volume',
      );
  }
  return valid;
}

type Check<K extends keyof Volume> = (
  source: NonNullable<Volume[K]>,
  at: FieldPath,
  errors: FieldErrors,
  volume: Volume,
  owner: VolumeOwner,
) => void;

/** What a path of the node may be asked to be. */
export const HOST_PATH_TYPES: readonly string[] = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

const CHECKS: { readonly [K in keyof Volume]?: Check<K> } = {
  emptyDir: (s, at, errors) => {
    if (s.sizeLimit !== undefined && amount(s.sizeLimit).sign < 0)
      errors.forbidden(at.child('sizeLimit'), 'SizeLimit field must be a valid resource quantity');
  },
  hostPath: (s, at, errors) => {
    if (!s.path) errors.required(at.child('path'));
    else validateNoBacksteps(s.path, at.child('path'), errors);
    if (s.type !== undefined && !HOST_PATH_TYPES.includes(s.type))
      errors.notSupported(at.child('type'), s.type, HOST_PATH_TYPES);
  },
  gitRepo: (s, at, errors) => {
    if (!s.repository) errors.required(at.child('repository'));
    validateDescendingPath(s.directory ?? '', at.child('directory'), errors);
  },
  secret: (s, at, errors) => {
    if (!s.secretName) errors.required(at.child('secretName'));
    validateMode(s.defaultMode, at, errors);
    validateConfigFiles(s.items, at.child('items'), errors);
  },
  configMap: (s, at, errors) => {
    if (!s.name) errors.required(at.child('name'));
    validateMode(s.defaultMode, at, errors);
    validateConfigFiles(s.items, at.child('items'), errors);
  },
  downwardAPI: (s, at, errors) => {
    validateMode(s.defaultMode, at, errors);
    for (const [i, item] of (s.items ?? []).entries()) validateDownwardFile(item, at.child('items').index(i), errors);
  },
  projected: (s, at, errors) => {
    validateMode(s.defaultMode, at, errors);
    validateProjected(s, at, errors);
  },
  persistentVolumeClaim: (s, at, errors) => {
    if (!s.claimName) errors.required(at.child('claimName'));
  },
  csi: (s, at, errors) => {
    validateCsiDriverName(s.driver, at.child('driver'), errors);
    const secret = s.nodePublishSecretRef;
    if (!secret) return;
    const name = at.child('nodePublishSecretRef', 'name');
    if (!secret.name) errors.required(name);
    else for (const m of isDns1123Subdomain(secret.name)) errors.invalid(name, secret.name, m);
  },
  ephemeral: (s, at, errors, volume, owner) => {
    const template = s.volumeClaimTemplate;
    const here = at.child('volumeClaimTemplate');
    if (!template) {
      errors.required(here);
      return;
    }
    validateTemplateMeta(template.metadata, here.child('metadata'), errors);
    validateClaimSpec(template.spec, here.child('spec'), errors);
    if (!owner.podName || !volume.name) return;
    const claim = `${owner.podName}-${volume.name}`;
    for (const m of isDns1123Subdomain(claim))
      errors.invalid(at.parent().child('name'), volume.name, `PVC name ${JSON.stringify(claim)}: ${m}`);
  },
  image: (s, at, errors, _volume, owner) => {
    if (owner.isPod && !s.reference) errors.required(at.child('reference'));
    validatePullPolicy(s.pullPolicy, at.child('pullPolicy'), errors);
  },
};

const NOT_IN_TEMPLATE = [
  'name',
  'generateName',
  'namespace',
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'ownerReferences',
  'finalizers',
  'managedFields',
] as const;

/** Of a claim that is made for a pod: labels and annotations, all else is given to it. */
function validateTemplateMeta(meta: ObjectMeta | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!meta) return;
  if (meta.annotations) validateAnnotations(meta.annotations, at.child('annotations'), errors);
  if (meta.labels) validateLabels(meta.labels, at.child('labels'), errors);
  for (const field of NOT_IN_TEMPLATE) {
    const value = meta[field];
    if (!value || (Array.isArray(value) && value.length === 0)) continue;
    // Kubernetes makes its path of the name in Go.
    errors.forbidden(at.child(field === 'uid' ? 'uID' : field), 'cannot be set for an ephemeral volume');
  }
}

function validateSource(volume: Volume, owner: VolumeOwner, at: FieldPath, errors: FieldErrors): void {
  let sources = 0;
  for (const key in volume) {
    const source = volume[key as keyof Volume];
    if (key === 'name' || source === undefined || source === null) continue;
    if (sources++ > 0) {
      errors.forbidden(at.child(key), 'may not specify more than 1 volume type');
      continue;
    }
    const check = CHECKS[key as keyof Volume] as Check<any> | undefined;
    if (check) check(source, at.child(key), errors, volume, owner);
    else validateNetworkVolume(key, source as object, at.child(key), errors);
  }
  if (sources === 0) errors.required(at, 'must specify a volume type');
}

function validateMode(mode: number | undefined, at: FieldPath, errors: FieldErrors): void {
  if (mode !== undefined && !isFileMode(mode)) errors.invalid(at.child('defaultMode'), mode, FILE_MODE_ERROR);
}

export function validateCsiDriverName(driver: string, at: FieldPath, errors: FieldErrors): void {
  if (!driver) {
    errors.required(at);
    return;
  }
  if (longerThan(driver, 63)) errors.tooLong(at, 63);
  for (const m of isDns1123Subdomain(driver.toLowerCase())) errors.invalid(at, driver, m);
}
