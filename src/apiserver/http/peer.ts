import type { PeerCertificate, TLSSocket } from 'node:tls';

/** Who is at the other end of a connection; read once a connection. */
export interface ClientCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** SHA-256 of the certificate, hex: Kubernetes' credential id. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notAfterMs: number;
}

export class PeerIdentity {
  readonly #socket: TLSSocket | undefined;
  readonly remoteAddress: string;
  #certificate: ClientCertificate | null | undefined;
  /** Whatever an authenticator wants to remember for this connection. */
  memo: unknown;

  constructor(socket: TLSSocket | undefined) {
    this.#socket = socket;
    this.remoteAddress = socket?.remoteAddress ?? '';
  }

  /** The certificate, when one was given and our CA signed it. */
  get certificate(): ClientCertificate | undefined {
    if (this.#certificate === undefined) this.#certificate = read(this.#socket) ?? null;
    return this.#certificate ?? undefined;
  }
}

function read(socket: TLSSocket | undefined): ClientCertificate | undefined {
  if (!socket?.authorized) return undefined;
  const certificate = socket.getPeerCertificate() as PeerCertificate | undefined;
  if (!certificate?.subject) return undefined;
  const { CN, O } = certificate.subject as { CN?: string | string[]; O?: string | string[] };
  return {
    commonName: (Array.isArray(CN) ? CN[0] : CN) ?? '',
    organizations: O === undefined ? [] : Array.isArray(O) ? O : [O],
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notAfterMs: Date.parse(certificate.valid_to),
  };
}
