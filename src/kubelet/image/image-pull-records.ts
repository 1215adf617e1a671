// Which credentials have brought which image, kept over restarts in files below image_manager.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { formatTime } from '../../api/meta.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Host } from '../host/host.ts';
import {
  admitsAccount,
  admitsSecret,
  type ImagePullCredentials,
  type ImagePulledRecord,
  type ImagePullSecret,
  needsVerification,
  recordedName,
  type VerificationPolicy,
  withAccount,
  withLearnt,
  withSecret,
} from '../kernel/image-access.ts';
import type { SecretCoordinates, SourcedCredential } from '../kernel/image-name.ts';

export interface ImagePullRecordsOptions {
  /** `image_manager` of the kubelet's directory. */
  readonly directory: string;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: VerificationPolicy;
  /** Names of images that were there before and need no credentials, by the policy of that name. */
  readonly allowlist: readonly string[];
}

const apiVersion = 'kubelet.config.k8s.io/v1beta1';
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const fileOf = (text: string) => `sha256-${sha256(text)}`;

/** Undefined: it belongs to no secret. */
function pullSecretOf({ secret, ...credential }: SourcedCredential): ImagePullSecret | undefined {
  return secret && { ...secret, credentialHash: sha256(JSON.stringify(credential)) };
}

function broughtWith(known: ImagePullCredentials, credential: SourcedCredential | undefined): ImagePullCredentials {
  const secret = credential && pullSecretOf(credential);
  if (secret) return withSecret(known, secret);
  if (credential?.account) return withAccount(known, credential.account);
  return known.nodePodsAccessible ? known : { nodePodsAccessible: true };
}

// An image may be named as every JavaScript object knows (`constructor`).
const credentialsOf = (record: ImagePulledRecord | undefined, name: string): ImagePullCredentials | undefined =>
  record?.credentialMapping && Object.hasOwn(record.credentialMapping, name)
    ? record.credentialMapping[name]
    : undefined;

/** Decisions need no file: all is in memory, files follow in order. */
export class ImagePullRecords {
  readonly #o: ImagePullRecordsOptions;
  /** By image id. */
  readonly #pulled = new Map<string, ImagePulledRecord>();
  /** Files that cannot be read: what they were about is not known to be anybody's. */
  readonly #unreadable = new Set<string>();
  /** Pulls with credentials that are under way, by image. */
  readonly #pulling = new Map<string, number>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ImagePullRecordsOptions) {
    this.#o = options;
  }

  /** `idOf` tells the id of an image that is on the node. */
  async restore(idOf: (image: string) => Promise<string | undefined>): Promise<void> {
    const { host } = this.#o;
    for (const file of await host.list(this.#path('pulled'))) {
      const record = await this.#read<ImagePulledRecord>(this.#path('pulled', file), 'ImagePulledRecord');
      if (record?.imageRef) this.#pulled.set(record.imageRef, record);
      else this.#unreadable.add(file);
    }
    // Pulls that were cut off: what they brought since belongs to nobody yet.
    for (const file of await host.list(this.#path('pulling'))) {
      const path = this.#path('pulling', file);
      const image = (await this.#read<{ image: string }>(path, 'ImagePullIntent'))?.image;
      const id = image && (await idOf(image));
      if (id && !this.#pulled.has(id)) this.#put(id, { [recordedName(image)]: {} });
      this.#write('removing a pull intent', () => host.removeEmpty(path));
    }
    await this.#writing;
  }

  /**
   * Whether a pod must pull an image that is here to show that it may. `credentials`: its own for that image; `account`:
   * its service account, where that may bring it.
   */
  mustPull(
    image: string,
    name: string,
    id: string,
    credentials: () => readonly SourcedCredential[],
    account?: SecretCoordinates,
  ): boolean {
    const { policy, allowlist } = this.#o;
    const record = this.#pulled.get(id);
    const unreadable = this.#unreadable.size > 0 && this.#unreadable.has(fileOf(id));
    const pulledByKubelet = record !== undefined || unreadable || this.#pulling.has(image);
    if (!needsVerification(policy, allowlist, name, pulledByKubelet)) return false;
    const known = credentialsOf(record, name);
    if (!record || !known) return true;
    if (known.nodePodsAccessible || (account && admitsAccount(known, account))) return false;
    const secret = credentials()
      .map(pullSecretOf)
      .find(s => s !== undefined && admitsSecret(known, s));
    if (!secret) return true;
    this.#set(record, name, withLearnt(known, secret));
    return false;
  }

  /** Before a pull with a secret: what it brings is not taken for an image of everybody, should the kubelet end meanwhile. */
  async intend(image: string): Promise<void> {
    const count = this.#pulling.get(image) ?? 0;
    this.#pulling.set(image, count + 1);
    if (count > 0) return this.#writing;
    const text = JSON.stringify({ kind: 'ImagePullIntent', apiVersion, image });
    await this.#write('noting a pull', () => this.#writeFile('pulling', fileOf(image), text));
  }

  /** The pull that was intended is over, and what it brought is told. */
  settle(image: string): void {
    const count = this.#pulling.get(image) ?? 1;
    if (count > 1) {
      this.#pulling.set(image, count - 1);
      return;
    }
    this.#pulling.delete(image);
    const path = this.#path('pulling', fileOf(image));
    // Another pull may have begun meanwhile.
    this.#write('removing a pull intent', async () => {
      if (!this.#pulling.has(image)) await this.#o.host.removeEmpty(path);
    });
  }

  /** An image was pulled, with a credential or without one. */
  pulled(image: string, id: string, credential: SourcedCredential | undefined): void {
    const name = recordedName(image);
    const record = this.#pulled.get(id);
    const known = credentialsOf(record, name) ?? {};
    const now = broughtWith(known, credential);
    if (!record) this.#put(id, { [name]: now });
    else this.#set(record, name, now);
  }

  /** Forgets images that are gone. `listedAtMs`: when the list was asked for; what is younger may lack in it. */
  prune(present: ReadonlySet<string>, listedAtMs: number): void {
    const listedAt = Math.floor(listedAtMs / 1000) * 1000;
    for (const [id, record] of this.#pulled) {
      if (present.has(id) || Date.parse(record.lastUpdatedTime) >= listedAt) continue;
      this.#pulled.delete(id);
      const path = this.#path('pulled', fileOf(id));
      this.#write('removing an image record', async () => {
        if (!this.#pulled.has(id)) await this.#o.host.removeEmpty(path);
      });
    }
  }

  /** Resolves when everything is in its file. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  #set(record: ImagePulledRecord, name: string, credentials: ImagePullCredentials): void {
    if (credentialsOf(record, name) !== credentials)
      this.#put(record.imageRef, { ...record.credentialMapping, [name]: credentials });
  }

  #put(imageRef: string, credentialMapping: ImagePulledRecord['credentialMapping']): void {
    const lastUpdatedTime = formatTime(this.#o.clock.now());
    const record = { kind: 'ImagePulledRecord', apiVersion, lastUpdatedTime, imageRef, credentialMapping } as const;
    this.#pulled.set(imageRef, record);
    const file = fileOf(imageRef);
    this.#unreadable.delete(file);
    this.#write('noting who pulled an image', () => this.#writeFile('pulled', file, JSON.stringify(record)));
  }

  async #read<T>(path: string, kind: string): Promise<T | undefined> {
    try {
      const value = JSON.parse((await this.#o.host.readFile(path)) ?? '');
      if (value?.kind === kind && value.apiVersion?.startsWith('kubelet.config.k8s.io/')) return value as T;
      throw new Error(`it holds no ${kind}`);
    } catch (error) {
      this.#o.log.warn('reading an image record failed', { path, error: messageOf(error) });
      return undefined;
    }
  }

  #path(directory: 'pulled' | 'pulling', file = ''): string {
    return join(this.#o.directory, directory, file);
  }

  async #writeFile(directory: 'pulled' | 'pulling', file: string, text: string): Promise<void> {
    const { host } = this.#o;
    await host.makeDirectory(this.#path(directory), 0o700);
    await host.writeFile(this.#path(directory, file), text, { mode: 0o600, atomic: true });
  }

  /** One after the other; a failure is told and stops none. */
  #write(what: string, write: () => Promise<void>): Promise<void> {
    this.#writing = this.#writing.then(write).catch(error => {
      this.#o.log.warn(`${what} failed`, { error: messageOf(error) });
    });
    return this.#writing;
  }
}
