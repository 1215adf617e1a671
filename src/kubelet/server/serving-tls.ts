// What the HTTPS port shows and whom it believes, read anew when its files change.
import type { Server } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { followTlsFiles, type TlsFiles } from '../../client/tls-files.ts';

export interface ServingTls {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string;
  /** Where they lie: those that are named are followed. `ca`: of clients. */
  readonly files?: TlsFiles;
  /** As Node names them. */
  readonly minVersion?: SecureContextOptions['minVersion'];
  readonly ciphers?: string;
  readonly curves?: string;
}

// No oftener than files are read again.
const lookMs = 60_000;

export class ServingCertificates {
  readonly #tls: ServingTls;
  readonly #read: () => { readonly ca?: string; readonly cert?: string; readonly key?: string };
  #now: { readonly ca?: string; readonly cert?: string; readonly key?: string };

  constructor(tls: ServingTls, clock: Clock) {
    this.#tls = tls;
    this.#now = { cert: tls.cert, key: tls.key, ca: tls.clientCa };
    this.#read = followTlsFiles(tls.files ?? {}, this.#now, clock);
  }

  get certificate(): string {
    return this.#now.cert ?? '';
  }

  context(): SecureContextOptions {
    const { minVersion = 'TLSv1.2', ciphers, curves } = this.#tls;
    return { ...this.#now, minVersion, ...(ciphers ? { ciphers } : {}), ...(curves ? { ecdhCurve: curves } : {}) };
  }

  /** New connections get what the files hold now. */
  async follow(server: Server, clock: Clock, log: Log, signal: AbortSignal): Promise<void> {
    if (!this.#tls.files) return;
    while (!signal.aborted) {
      await clock.sleep(lookMs, signal).catch(() => {});
      const next = this.#read();
      if (next === this.#now || JSON.stringify(next) === JSON.stringify(this.#now)) continue;
      this.#now = next;
      server.setSecureContext(this.context());
      log.info('reloaded certificates', { ...this.#tls.files });
    }
  }
}
