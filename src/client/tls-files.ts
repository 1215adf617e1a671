// Certificates in files that others renew: read again once a minute while they are in use.
import { readFileSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { isKeyOf, parseCertificates } from '../base/x509.ts';

/** PEM. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** Paths; certificate and key come together. */
export type TlsFiles = TlsMaterial;

const ttlMs = 60_000;

/** `first`: what they held. What cannot be used leaves what there was. */
export function followTlsFiles(files: TlsFiles, first: TlsMaterial, clock: Clock): () => TlsMaterial {
  let material = first;
  let readMs = clock.monotonic();
  return () => {
    if (clock.monotonic() - readMs < ttlMs) return material;
    readMs = clock.monotonic();
    material = { ...material, ...attempt(() => bundle(files)), ...attempt(() => pair(files)) };
    return material;
  };
}

function bundle({ ca: file }: TlsFiles): TlsMaterial | undefined {
  const ca = file && readFileSync(file, 'utf8');
  return ca && parseCertificates(ca).length ? { ca } : undefined;
}

/** One of the two may be written before the other. */
function pair(files: TlsFiles): TlsMaterial | undefined {
  if (!files.cert || !files.key) return undefined;
  const cert = readFileSync(files.cert, 'utf8');
  const key = readFileSync(files.key, 'utf8');
  return isKeyOf(cert, key) ? { cert, key } : undefined;
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
