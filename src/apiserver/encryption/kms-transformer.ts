// Envelope encryption by KMS v2: values are encrypted here with a seed that a plugin has wrapped. Every value carries the
// wrapped seed, so that reading needs the plugin once a seed, and writing only when its key changes.
import { createHash } from 'node:crypto';
import { FieldErrors, path } from '../../api/field-error.ts';
import { formatTime } from '../../api/meta.ts';
import { isDns1123Subdomain } from '../../api/name-rule.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';
import { quote } from '../../base/quote.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import { Message } from '../../store/etcd-wire.ts';
import { aesGcm, extendedNonceGcm } from './cipher.ts';
import { type Annotations, annotationMessage, type KmsPlugin, type KmsStatus } from './kms-plugin.ts';
import type { Transformed, Transformer } from './transformer.ts';

export interface KmsTransformerOptions {
  readonly name: string;
  readonly plugin: KmsPlugin;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
}

/** What lies in the store behind `k8s:enc:kms:v2:NAME:`. */
const envelope = new Message({
  encryptedData: [1, 'bytes'],
  keyId: [2, 'string'],
  encryptedDekSource: [3, 'bytes'],
  annotations: [4, [annotationMessage]],
  /** 0: an AES-GCM key, 1: a seed for HKDF. */
  sourceType: [5, 'int'],
});
const seedSource = 1;

const seedBytes = 32;
const goodPollMs = 60_000;
const badPollMs = 10_000;
// How long writes go on with a seed whose key was last seen that long ago.
const writeMs = 3 * 60_000;
// How long a seed that was unwrapped is remembered after its last use.
const keptMs = 60 * 60_000;
const mostKept = 1000;
const healthGoodMs = 20_000;
const healthBadMs = 3_000;
const longestKeyIdBytes = 1024;
const longestSourceBytes = 1024;
const longestAnnotationsBytes = 32 * 1024;

interface WriteState {
  readonly keyId: string;
  readonly encryptedDekSource: Uint8Array;
  readonly annotations: Annotations;
  readonly transformer: Transformer;
  expiresMs: number;
}

interface KnownSource {
  readonly transformer: Transformer;
  usedMs: number;
}

export class KmsTransformer implements Transformer {
  readonly #options: KmsTransformerOptions;
  readonly #sources = new Map<string, KnownSource>();
  readonly #asking = new Map<string, Promise<void>>();
  #state: WriteState | undefined;
  #why = 'the plugin has not been asked yet';
  #timer: Timer | undefined;
  #checked: { readonly atMs: number; readonly error: string } | undefined;
  #stopped = false;

  constructor(options: KmsTransformerOptions) {
    this.#options = options;
  }

  /** Asks the plugin, then again once a while. Does not reject: a plugin may come later. */
  async start(): Promise<void> {
    await this.#poll();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#options.plugin.close();
  }

  /** Rejects when the plugin is not well. Asked of it at most every few seconds. */
  async check(): Promise<void> {
    const { clock, plugin } = this.#options;
    const known = this.#checked;
    const age = known ? clock.monotonic() - known.atMs : Number.POSITIVE_INFINITY;
    if (!known || age >= (known.error ? healthBadMs : healthGoodMs)) {
      const error = await plugin
        .status()
        .then(status => this.#judge(status))
        .catch(messageOf);
      this.#checked = { atMs: clock.monotonic(), error };
    }
    if (this.#checked!.error) throw new Error(this.#checked!.error);
  }

  toStorage(value: Uint8Array, key: string): Buffer {
    const state = this.#state;
    if (!state) throw new Error('got unexpected nil transformer');
    const nowMs = this.#options.clock.now();
    if (nowMs >= state.expiresMs)
      throw new Error(
        `encryptedDEKSource with keyID hash ${JSON.stringify(hashOf(state.keyId))} expired at ${formatTime(state.expiresMs)}: ${this.#why}`,
      );
    const { keyId, encryptedDekSource, annotations, transformer } = state;
    this.#usedKey('to_storage', keyId);
    const encryptedData = transformer.toStorage(value, key);
    return envelope.encode({ encryptedData, keyId, encryptedDekSource, annotations, sourceType: seedSource });
  }

  fromStorage(stored: Uint8Array, key: string): Transformed {
    const value = parse(stored);
    const source = this.#sources.get(idOf(value));
    if (!source)
      throw new Error(`kms provider ${this.#options.name}: the value's encryptedDEKSource is not decrypted yet`);
    source.usedMs = this.#options.clock.monotonic();
    this.#usedKey('from_storage', value.keyId);
    const out = source.transformer.fromStorage(value.encryptedData, key);
    const current = this.#state?.keyId === value.keyId && value.sourceType === seedSource;
    return { value: out.value, stale: !current };
  }

  prepare(stored: Uint8Array): Promise<void> | undefined {
    let value: Envelope;
    try {
      value = parse(stored);
    } catch {
      // Told by fromStorage.
      return undefined;
    }
    const id = idOf(value);
    if (this.#sources.has(id)) return undefined;
    let asking = this.#asking.get(id);
    if (!asking) {
      asking = this.#unwrap(id, value).finally(() => this.#asking.delete(id));
      this.#asking.set(id, asking);
    }
    return asking;
  }

  async #unwrap(id: string, value: Envelope): Promise<void> {
    const { plugin, random } = this.#options;
    const { encryptedDekSource, keyId, annotations, sourceType } = value;
    const plain = await plugin
      .decrypt(randomUuid(random), { ciphertext: encryptedDekSource, keyId, annotations })
      .catch(error => {
        throw new Error(`failed to decrypt DEK, error: ${messageOf(error)}`, { cause: error });
      });
    this.#remember(id, sourceType === seedSource ? extendedNonceGcm(plain, random) : aesGcm(plain, random));
  }

  #remember(id: string, transformer: Transformer): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [known, { usedMs }] of this.#sources)
      if (nowMs - usedMs > keptMs || this.#sources.size >= mostKept) this.#sources.delete(known);
    this.#sources.set(id, { transformer, usedMs: nowMs });
  }

  async #poll(): Promise<void> {
    const { plugin, clock, log, name } = this.#options;
    this.#why = await plugin
      .status()
      .then(status => this.#judge(status))
      .catch(messageOf);
    if (this.#stopped) return;
    if (this.#why) log.warn('a KMS plugin is not well', { provider: name, error: this.#why });
    this.#timer = clock.after(this.#why ? badPollMs : goodPollMs, () => void this.#poll());
  }

  /**
   * What is wrong with the plugin; '' for nothing. Its key is taken all the same: what says it is not well may still
   * wrap seeds.
   */
  async #judge({ version, healthz, keyId }: KmsStatus): Promise<string> {
    const before = `kmsv2 Provider ${this.#options.name} is not healthy, error: `;
    const invalid = keyFault(keyId);
    if (invalid) return `${before}got invalid KMSv2 KeyID hash ${quote(keyId && hashOf(keyId))}: ${invalid}`;
    try {
      await this.#takeKey(keyId);
    } catch (error) {
      return `${before}failed to rotate DEK: ${messageOf(error)}`;
    }
    if (healthz !== 'ok') return `${before}got unexpected healthz status: ${healthz}`;
    const known = version === 'v2' || version === 'v2beta1';
    return known ? '' : `${before}expected KMSv2 API version v2, got ${version}`;
  }

  /** A seed for the plugin's key of the moment; the one in use lives on while the key stays. */
  async #takeKey(keyId: string): Promise<void> {
    const { plugin, clock, random } = this.#options;
    if (this.#state?.keyId === keyId) {
      this.#state.expiresMs = clock.now() + writeMs;
      return;
    }
    const seed = this.#makeSeed(random);
    const wrapped = await plugin.encrypt(randomUuid(random), seed);
    checkSource(wrapped.ciphertext, wrapped.keyId, wrapped.annotations);
    // Which key it was, status tells: with another, nobody would know when to change the seed.
    if (wrapped.keyId !== keyId)
      throw new Error(
        `keyIDHash of status ${quote(hashOf(keyId))} and of encrypt ${quote(hashOf(wrapped.keyId))} differ`,
      );
    const transformer = extendedNonceGcm(seed, random);
    const state = {
      keyId: wrapped.keyId,
      encryptedDekSource: wrapped.ciphertext,
      annotations: wrapped.annotations.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    };
    this.#remember(idOf({ ...state, sourceType: seedSource }), transformer);
    this.#state = { ...state, transformer, expiresMs: clock.now() + writeMs };
  }

  #makeSeed(random: Random): Uint8Array {
    const { metrics, clock } = this.#options;
    const beganMs = clock.monotonic();
    const seed = random.bytes(seedBytes);
    metrics
      ?.histogram(
        'apiserver_storage_data_key_generation_duration_seconds',
        '[ALPHA] Latencies in seconds of data encryption key(DEK) generation operations.',
        [],
        exponentialBuckets(5e-6, 2, 14),
      )
      .observe({}, (clock.monotonic() - beganMs) / 1000);
    return seed;
  }

  #usedKey(transformation: string, keyId: string): void {
    const { metrics, name } = this.#options;
    metrics
      ?.counter('apiserver_envelope_encryption_key_id_hash_total', 'Uses of a key of a KMS plugin.', [
        'transformation_type',
        'provider_name',
        'key_id_hash',
      ])
      .inc({ transformation_type: transformation, provider_name: name, key_id_hash: hashOf(keyId) });
  }
}

type Envelope = ReturnType<typeof parse>;

function parse(stored: Uint8Array) {
  const value = envelope.decode(Buffer.from(stored.buffer, stored.byteOffset, stored.length));
  if (!value.encryptedData.length) throw new Error('encrypted data is empty');
  checkSource(value.encryptedDekSource, value.keyId, value.annotations);
  return value;
}

interface Wrapped {
  readonly encryptedDekSource: Uint8Array;
  readonly keyId: string;
  readonly annotations: Annotations;
  readonly sourceType: number;
}

/** By all that the plugin is given to unwrap it. */
function idOf({ encryptedDekSource, keyId, annotations, sourceType }: Wrapped): string {
  const hash = createHash('sha256');
  const add = (part: Uint8Array | string) => hash.update(`${part.length}:`).update(part);
  add(encryptedDekSource);
  add(keyId);
  add(String(sourceType));
  for (const { key, value } of annotations) {
    add(key);
    add(value);
  }
  return hash.digest('base64');
}

const hashOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;

function keyFault(keyId: string): string {
  if (!keyId) return 'keyID is empty';
  const size = Buffer.byteLength(keyId);
  return size > longestKeyIdBytes ? `keyID is ${size} bytes, which exceeds the max size of ${longestKeyIdBytes}` : '';
}

/** Throws for what a plugin may not say of a wrapped seed. */
function checkSource(source: Uint8Array, keyId: string, annotations: Annotations): void {
  const ofSource = sourceFault(source.length);
  if (ofSource) throw new Error(`failed to validate encrypted DEK source: ${ofSource}`);
  const ofKey = keyFault(keyId);
  if (ofKey) throw new Error(`failed to validate key id: ${ofKey}`);
  const errors = new FieldErrors();
  for (const { key } of annotations) checkDomain(key, errors);
  const [wrong] = errors.list;
  if (wrong) throw new Error(`failed to validate annotations: ${wrong.field}: ${wrong.message}`);
  const size = annotations.reduce((sum, { key, value }) => sum + Buffer.byteLength(key) + value.length, 0);
  if (size > longestAnnotationsBytes)
    throw new Error(
      `failed to validate annotations: total size of annotations is ${size}, which exceeds the max size of ${longestAnnotationsBytes}`,
    );
}

function sourceFault(size: number): string {
  if (!size) return 'encrypted DEK source is empty';
  return size > longestSourceBytes
    ? `encrypted DEK source is ${size} bytes, which exceeds the max size of ${longestSourceBytes}`
    : '';
}

function checkDomain(key: string, errors: FieldErrors): void {
  const at = path('annotations');
  if (!key) errors.required(at);
  else if (isDns1123Subdomain(key).length) for (const why of isDns1123Subdomain(key)) errors.invalid(at, key, why);
  else if (!key.includes('.'))
    errors.invalid(at, key, 'should be a domain with at least two segments separated by dots');
}
