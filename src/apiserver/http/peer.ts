import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

/** Who is at the other end of a connection. */
export class PeerIdentity {
  readonly #socket: TLSSocket | undefined;
  readonly remoteAddress: string;
  #certificate: X509Certificate | null | undefined;
  /** What an authenticator found out from the certificate. */
  memo: unknown;

  constructor(socket: TLSSocket | undefined) {
    this.#socket = socket;
    this.remoteAddress = socket?.remoteAddress ?? '';
  }

  /** The certificate it showed, believed or not. */
  get certificate(): X509Certificate | undefined {
    if (this.#certificate === undefined) this.#certificate = this.#socket?.getPeerX509Certificate() ?? null;
    return this.#certificate ?? undefined;
  }

  /** What it showed besides, to lead to an authority. */
  get intermediates(): readonly X509Certificate[] {
    const found: X509Certificate[] = [];
    let at = this.certificate?.issuerCertificate;
    for (; at && found.length < mostIntermediates; at = at.issuerCertificate) found.push(at);
    return found;
  }
}

const mostIntermediates = 10;
