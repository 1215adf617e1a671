// Who may use an image that is on the node already: those whose credentials have brought it, or everybody.

import { parseImageName, type SecretCoordinates } from './image-name.ts';

const verificationPolicies = [
  'NeverVerify',
  'NeverVerifyPreloadedImages',
  'NeverVerifyAllowlistedImages',
  'AlwaysVerify',
] as const;

export type VerificationPolicy = (typeof verificationPolicies)[number];

/** A secret, and the hash of what it held for the image. */
export interface ImagePullSecret extends SecretCoordinates {
  readonly credentialHash: string;
}

/** Empty: credentials must be proven again. */
export interface ImagePullCredentials {
  readonly kubernetesSecrets?: readonly ImagePullSecret[];
  readonly kubernetesServiceAccounts?: readonly SecretCoordinates[];
  readonly nodePodsAccessible?: boolean;
}

/** As it lies in a file: `kubelet.config.k8s.io/v1beta1`. */
export interface ImagePulledRecord {
  readonly kind: 'ImagePulledRecord';
  readonly apiVersion: string;
  readonly lastUpdatedTime: string;
  readonly imageRef: string;
  /** By the image's name in a container, without tag and digest. */
  readonly credentialMapping: Readonly<Record<string, ImagePullCredentials>>;
}

/** Secrets of an image that are learnt from pods that did not pull it. */
const maxLearnt = 100;

/** What records name an image by: as the container does, without tag and digest. */
export function recordedName(image: string): string {
  const parsed = parseImageName(image);
  return 'error' in parsed ? image : parsed.repository;
}

/** Whether a pod has to show credentials for an image of that name (recordedName) that the kubelet has pulled or that was there without it. */
export function needsVerification(
  policy: VerificationPolicy,
  allowlist: readonly string[],
  name: string,
  pulledByKubelet: boolean,
): boolean {
  if (policy === 'NeverVerify') return false;
  if (policy === 'AlwaysVerify' || pulledByKubelet) return true;
  return policy === 'NeverVerifyAllowlistedImages' && !isAllowlisted(allowlist, name);
}

const isAllowlisted = (allowlist: readonly string[], name: string): boolean =>
  allowlist.some(entry => (entry.endsWith('/*') ? name.startsWith(entry.slice(0, -1)) : name === entry));

/** Throws on a policy there is not, and on an allowlist with tags, digests or wildcards other than `/*` at the end. */
export function checkVerification(policy: string, allowlist: readonly string[]): void {
  if (!verificationPolicies.some(p => p === policy))
    throw new Error(`imagePullCredentialsVerificationPolicy: unknown policy "${policy}", want ${verificationPolicies}`);
  if (allowlist.length > 0 && policy !== 'NeverVerifyAllowlistedImages')
    throw new Error('preloadedImagesVerificationAllowlist: only with the policy NeverVerifyAllowlistedImages');
  for (const entry of allowlist) {
    const name = entry.endsWith('/*') ? entry.slice(0, -2) : entry;
    const isHost = entry.endsWith('/*') && /^[A-Za-z0-9.-]+(:[0-9]+)?$/.test(name);
    const parsed = parseImageName(name);
    if (!isHost && ('error' in parsed || parsed.tag || parsed.digest))
      throw new Error(`preloadedImagesVerificationAllowlist: invalid image pattern "${entry}"`);
  }
}

const same = (a: SecretCoordinates, b: SecretCoordinates): boolean =>
  a.uid === b.uid && a.namespace === b.namespace && a.name === b.name;

/** A secret that has brought the image, or one that holds what such a secret held. */
export const admitsSecret = ({ kubernetesSecrets = [] }: ImagePullCredentials, secret: ImagePullSecret): boolean =>
  kubernetesSecrets.some(s => s.credentialHash === secret.credentialHash || same(s, secret));

/** With a secret that has brought the image. */
export function withSecret(known: ImagePullCredentials, secret: ImagePullSecret): ImagePullCredentials {
  if (known.nodePodsAccessible) return known;
  const { kubernetesSecrets = [] } = known;
  if (kubernetesSecrets.some(s => same(s, secret) && s.credentialHash === secret.credentialHash)) return known;
  return { ...known, kubernetesSecrets: [...kubernetesSecrets.filter(s => !same(s, secret)), secret] };
}

/** A service account for which it was brought. */
export const admitsAccount = ({ kubernetesServiceAccounts = [] }: ImagePullCredentials, account: SecretCoordinates) =>
  kubernetesServiceAccounts.some(a => same(a, account));

/** With a service account for which it was brought. */
export function withAccount(known: ImagePullCredentials, account: SecretCoordinates): ImagePullCredentials {
  if (known.nodePodsAccessible || admitsAccount(known, account)) return known;
  return { ...known, kubernetesServiceAccounts: [...(known.kubernetesServiceAccounts ?? []), account] };
}

/** With a secret that was let in for another's sake: one of other coordinates, or one whose content has changed. */
export function withLearnt(known: ImagePullCredentials, secret: ImagePullSecret): ImagePullCredentials {
  return (known.kubernetesSecrets?.length ?? 0) > maxLearnt ? known : withSecret(known, secret);
}
