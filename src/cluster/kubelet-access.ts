// How the API server reaches kubelets and whom it believes to be one, by kube-apiserver's flags.
import { readFileSync } from 'node:fs';
import { parseDuration } from '../api/scalar.ts';
import type { CertificateFiles } from '../apiserver/configuration/certificates.ts';
import type { KubeletAccess } from '../apiserver/stream/kubelet-access.ts';
import { messageOf } from '../base/assert.ts';
import type { ApiServerFiles } from './api-server-fields.ts';

type Files = Pick<CertificateFiles, 'kubeletCa' | 'kubeletClient'>;

export interface OwnKubelets {
  /** The authority that signed the certificates of `verifiedNodes`, PEM; where it and what kubelets are shown lie. */
  readonly ca: string;
  readonly client: { readonly cert: string; readonly key: string };
  readonly files: Required<Files>;
  readonly verifiedNodes: readonly string[] | undefined;
}

/** What is not given is the cluster's own. Throws an error that names the flag or the file. */
export function readKubeletAccess(
  given: ApiServerFiles = {},
  own: OwnKubelets,
): { kubelet: KubeletAccess; files: Files } {
  const { kubeletCertificateAuthority: authority, kubeletClientCertificate: cert, kubeletClientKey: key } = given;
  const { kubeletPreferredAddressTypes: types, kubeletPort: port, kubeletTimeout: timeout } = given;
  if (!cert !== !key)
    throw new Error('--kubelet-client-certificate and --kubelet-client-key must be specified together');
  const { verifiedNodes } = own;
  const trust = authority ? { ca: read(authority) } : verifiedNodes ? { ca: own.ca, verifiedNodes } : {};
  const shown = cert && key ? { cert: read(cert), key: read(key) } : own.client;
  return {
    kubelet: {
      ...trust,
      ...shown,
      ...(types?.length ? { preferredAddressTypes: types } : {}),
      ...(port ? { port } : {}),
      ...(timeout ? { timeoutMs: parseDuration(timeout) / 1e6 } : {}),
    },
    files: {
      ...(trust.ca ? { kubeletCa: authority ?? own.files.kubeletCa } : {}),
      kubeletClient: cert && key ? { cert, key } : own.files.kubeletClient,
    },
  };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}
