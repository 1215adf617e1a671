// The certificates this server shows and believes, read anew when their files change.
import { readFileSync } from 'node:fs';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { isKeyOf, parseCertificates } from '../../base/x509.ts';
import { Followed } from './followed.ts';

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** All PEM. */
export interface CertificateValues {
  /** What the TLS port shows. */
  readonly serving: KeyPair;
  /** Bundle of the authorities whose certificates make users. */
  readonly clientCa: string;
  /** Bundle of the authorities whose certificates may name users in headers. */
  readonly frontProxyCa?: string | undefined;
  /** Bundle of the authorities behind kubelets' certificates. */
  readonly kubeletCa?: string | undefined;
  /** Shown to kubelets. */
  readonly kubeletClient?: KeyPair | undefined;
  /** Bundle of the authorities behind the certificates of other servers of this cluster. */
  readonly peerCa?: string | undefined;
  /** Shown to aggregated servers. */
  readonly frontProxyClient?: KeyPair | undefined;
}

/** Where they lie: those that are named are followed. */
export type CertificateFiles = { readonly [N in keyof CertificateValues]?: CertificateValues[N] };

type Name = keyof CertificateValues;

export interface CertificatesOptions {
  readonly values: CertificateValues;
  readonly files?: CertificateFiles | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export class Certificates {
  #values: CertificateValues;
  readonly #followed: readonly Followed[];
  readonly #listeners = new Set<() => void>();

  constructor({ values, files = {}, clock, log }: CertificatesOptions) {
    this.#values = values;
    this.#followed = (Object.keys(files) as Name[]).map(name => {
      const file = files[name]!;
      const attempted = (error?: unknown) => {
        const at = typeof file === 'string' ? { file } : { ...file };
        if (error) log.error('reloading certificates failed', { ...at, error: messageOf(error) });
        else log.info('reloaded certificates', at);
      };
      const apply = () => this.#take(name, readAndCheck(file));
      return new Followed({ read: () => textOf(readValue(file)), text: textOf(values[name]), apply, attempted, clock });
    });
  }

  /** As they are now: not to be kept. */
  get current(): CertificateValues {
    return this.#values;
  }

  /** Called behind every change. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** Looks at the files now. */
  async check(): Promise<void> {
    await Promise.all(this.#followed.map(f => f.check()));
  }

  stop(): void {
    for (const followed of this.#followed) followed.stop();
  }

  #take(name: Name, value: string | KeyPair): void {
    this.#values = { ...this.#values, [name]: value };
    for (const listener of this.#listeners) listener();
  }
}

const textOf = (value: string | KeyPair | undefined): string =>
  typeof value === 'object' ? `${value.cert}\n${value.key}` : (value ?? '');

function readValue(file: string | KeyPair): string | KeyPair {
  const read = (path: string) => readFileSync(path, 'utf8');
  return typeof file === 'string' ? read(file) : { cert: read(file.cert), key: read(file.key) };
}

/** Throws unless it can be used: of a pair of files one may be written before the other. */
function readAndCheck(file: string | KeyPair): string | KeyPair {
  const value = readValue(file);
  if (typeof value === 'string') {
    if (!parseCertificates(value).length) throw new Error('data does not contain any valid RSA or ECDSA certificates');
  } else if (!isKeyOf(value.cert, value.key)) throw new Error('tls: private key does not match public key');
  return value;
}
