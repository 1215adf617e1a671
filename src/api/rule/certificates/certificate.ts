import { X509Certificate } from 'node:crypto';

/** The certificate, or undefined where the bytes are none. */
export function readCertificate(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

export const isCertificate = (der: Uint8Array): boolean => readCertificate(der) !== undefined;
