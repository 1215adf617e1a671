// Volumes made of files from the API: keys of secrets and config maps, downward API, projections.
import { isCanonicalPart } from '../../canonical-part.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../type/core-v1.ts';
import { isKubernetesSigner, validateSignerName } from '../certificates/signer-name.ts';
import { trustBundleNameComplaints } from '../certificates/trust-bundle.ts';
import { validateUserAnnotations } from '../certificates/user-annotation.ts';
import { validateLabelSelector } from '../meta.ts';
import { VOLUME_FIELDS, validateFieldSelector, validateResourceFieldSelector } from './pod-field-ref.ts';
import { FILE_MODE_ERROR, isFileMode, validateNonReservedPath } from './pod-path.ts';

export { isFileMode };

const KEY_TYPES = ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519', 'RSA3072', 'RSA4096'];

export function validateConfigFiles(items: readonly KeyToPath[] | undefined, at: FieldPath, errors: FieldErrors): void {
  if (!items) return;
  for (let i = 0; i < items.length; i++) validateKeyToPath(items[i]!, at.index(i), errors);
}

function validateKeyToPath(item: KeyToPath, at: FieldPath, errors: FieldErrors): void {
  if (!item.key) errors.required(at.child('key'));
  if (!item.path) errors.required(at.child('path'));
  validateNonReservedPath(item.path ?? '', at.child('path'), errors);
  if (item.mode !== undefined && !isFileMode(item.mode)) errors.invalid(at.child('mode'), item.mode, FILE_MODE_ERROR);
}

export function validateDownwardFile(file: DownwardAPIVolumeFile, at: FieldPath, errors: FieldErrors): void {
  if (!file.path) errors.required(at.child('path'));
  validateNonReservedPath(file.path ?? '', at.child('path'), errors);
  if (file.fieldRef) {
    validateFieldSelector(file.fieldRef, VOLUME_FIELDS, at.child('fieldRef'), errors);
    if (file.resourceFieldRef)
      errors.invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously');
  } else if (file.resourceFieldRef) {
    validateResourceFieldSelector(file.resourceFieldRef, true, at.child('resourceFieldRef'), errors);
  } else errors.required(at, 'one of fieldRef and resourceFieldRef is required');
  if (file.mode !== undefined && !isFileMode(file.mode)) errors.invalid(at.child('mode'), file.mode, FILE_MODE_ERROR);
}

/** Sources of a projected volume; no two may write one path. */
export function validateProjected(projected: ProjectedVolumeSource, at: FieldPath, errors: FieldErrors): void {
  // No sources are written as null.
  const sources = projected.sources ?? [];
  if (sound.has(sources)) return;
  const before = errors.list.length;
  const paths = new Set<string>();
  const claim = (path: string | undefined, named: string) => {
    if (!path) return;
    if (paths.has(path)) errors.invalid(at, named, 'conflicting duplicate paths');
    else paths.add(path);
  };
  for (const [i, source] of sources.entries()) validateProjection(source, at.child('sources').index(i), errors, claim);
  if (errors.list.length === before && isCanonicalPart(sources)) sound.add(sources);
}

// Canonical lists found to be valid.
const sound = new WeakSet<object>();

function validateProjection(
  source: VolumeProjection,
  at: FieldPath,
  errors: FieldErrors,
  claim: (path: string | undefined, named: string) => void,
): void {
  let kinds = 0;
  const another = (key: keyof VolumeProjection): FieldPath => {
    const here = at.child(key);
    if (kinds++ > 0) errors.forbidden(here, 'may not specify more than 1 volume type per source');
    return here;
  };
  for (const key of ['secret', 'configMap'] as const) {
    const files = source[key];
    if (!files) continue;
    const here = another(key);
    if (!files.name) errors.required(here.child('name'));
    validateConfigFiles(files.items, here.child('items'), errors);
    for (const item of files.items ?? []) claim(item.path, files.name ?? '');
  }
  if (source.downwardAPI) {
    const here = another('downwardAPI');
    for (const [i, file] of (source.downwardAPI.items ?? []).entries()) {
      validateDownwardFile(file, here.child('items').index(i), errors);
      claim(file.path, file.path);
    }
  }
  if (source.serviceAccountToken) {
    validateToken(source.serviceAccountToken, another('serviceAccountToken'), errors);
    claim(source.serviceAccountToken.path, source.serviceAccountToken.path);
  }
  if (source.clusterTrustBundle) {
    validateTrustBundle(source.clusterTrustBundle, another('clusterTrustBundle'), errors);
    claim(source.clusterTrustBundle.path, source.clusterTrustBundle.path);
  }
  if (source.podCertificate) {
    validateCertificate(source.podCertificate, another('podCertificate'), errors);
    for (const key of ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const) {
      const path = source.podCertificate[key];
      claim(path, path ?? '');
    }
  }
}

function validateToken(token: ServiceAccountTokenProjection, at: FieldPath, errors: FieldErrors): void {
  const seconds = token.expirationSeconds ?? 3600;
  if (seconds < 600)
    errors.invalid(at.child('expirationSeconds'), seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32)
    errors.invalid(at.child('expirationSeconds'), seconds, 'may not specify a duration larger than 2^32 seconds');
  if (!token.path) errors.required(at.child('path'));
  else validateNonReservedPath(token.path, at.child('path'), errors);
}

function validateTrustBundle(bundle: ClusterTrustBundleProjection, at: FieldPath, errors: FieldErrors): void {
  const { name, signerName, labelSelector, path } = bundle;
  if (name !== undefined && signerName !== undefined)
    errors.invalid(at, bundle, 'only one of name and signerName may be used');
  if (name !== undefined) {
    if (name === '') errors.required(at.child('name'), 'must be a valid object name');
    // What stands before the last colon names the signer.
    const signer = name.slice(0, Math.max(name.lastIndexOf(':'), 0)).replaceAll(':', '/');
    for (const m of trustBundleNameComplaints(name, signer)) errors.invalid(at.child('name'), name, m);
    if (labelSelector)
      errors.invalid(at.child('labelSelector'), labelSelector, 'labelSelector must be unset if name is specified');
  } else if (signerName !== undefined) {
    validateSignerName(signerName, at.child('signerName'), errors);
    validateLabelSelector(labelSelector, at.child('labelSelector'), errors);
  } else errors.required(at, 'either name or signerName must be specified');
  if (!path) errors.required(at.child('path'));
  else validateNonReservedPath(path, at.child('path'), errors);
}

function validateCertificate(certificate: PodCertificateProjection, at: FieldPath, errors: FieldErrors): void {
  const { signerName, keyType, maxExpirationSeconds: seconds } = certificate;
  validateSignerName(signerName, at.child('signerName'), errors);
  if (!keyType) errors.required(at.child('keyType'));
  else if (!KEY_TYPES.includes(keyType)) errors.notSupported(at.child('keyType'), keyType, KEY_TYPES);
  // Signers of Kubernetes itself give a day at most.
  const most = isKubernetesSigner(signerName ?? '') ? 86400 : 91 * 86400;
  if (seconds !== undefined && seconds < 3600)
    errors.invalid(at.child('maxExpirationSeconds'), seconds, 'if provided, maxExpirationSeconds must be >= 3600');
  if (seconds !== undefined && seconds > most)
    errors.invalid(at.child('maxExpirationSeconds'), seconds, `if provided, maxExpirationSeconds must be <= ${most}`);
  validateUserAnnotations(certificate.userAnnotations, at.child('userAnnotations'), errors);
  let paths = 0;
  for (const key of ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const) {
    const path = certificate[key];
    if (!path) continue;
    paths++;
    validateNonReservedPath(path, at.child(key), errors);
  }
  if (paths === 0)
    errors.required(at, 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath');
}
