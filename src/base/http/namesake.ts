// Servers whose certificate is named like the authority that signed it, as homemade ones are, often with no name at all:
// OpenSSL takes such a certificate for one that signed itself and looks no further. Go looks who signed it.
import type { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { isSignedBy, parseCertificates } from '../x509.ts';
import type { HttpTarget } from './upgrade-request.ts';

/**
 * After `error` of a request: the target with the certificate the server shows as the one to trust, when an authority of
 * `tls.ca` signed it. What else a certificate has to be is looked at when it is shown again.
 */
export async function trustingNamesake(
  target: HttpTarget,
  error: unknown,
  { nowMs, signal }: { readonly nowMs: number; readonly signal: AbortSignal },
): Promise<HttpTarget | undefined> {
  const { ca } = target.tls ?? {};
  if ((error as NodeJS.ErrnoException).code !== 'DEPTH_ZERO_SELF_SIGNED_CERT' || typeof ca !== 'string')
    return undefined;
  const shown = await shownBy(target, signal);
  const authorities = parseCertificates(ca).filter(c => c.isCa && c.notBeforeMs <= nowMs && nowMs <= c.notAfterMs);
  const signed = shown && authorities.some(({ certificate }) => isSignedBy(shown, certificate));
  return signed ? { ...target, tls: { ...target.tls, ca: shown.toString() } } : undefined;
}

/** Nothing is sent. */
function shownBy({ host, port, tls = {} }: HttpTarget, signal: AbortSignal): Promise<X509Certificate | undefined> {
  return new Promise((resolve, reject) => {
    const { servername, cert, key } = tls;
    const shown = { ...(servername ? { servername } : {}), ...(cert && key ? { cert, key } : {}) };
    const socket = connect({ host, port, ...shown, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate());
      socket.destroy();
    });
    socket.on('error', reject);
    const give = () => socket.destroy(signal.reason);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
    socket.on('close', () => {
      signal.removeEventListener('abort', give);
      resolve(undefined);
    });
  });
}
