// Encryption at rest of one server: which transformer is for which resource, replaced as a whole when the file changes.
import type { Resource } from '../../api/resource.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Random } from '../../base/random.ts';
import type { Store } from '../../store/store.ts';
import { FollowedFile } from '../configuration/followed-file.ts';
import type { HealthCheck } from '../health.ts';
import { aesCbc, aesGcm, secretbox } from './cipher.ts';
import {
  type CipherName,
  type EncryptionPlan,
  type ProviderPlan,
  readEncryptionConfiguration,
} from './configuration.ts';
import { EncryptedStore } from './encrypted-store.ts';
import { type KmsPlugin, kmsPlugin } from './kms-plugin.ts';
import { KmsTransformer } from './kms-transformer.ts';
import { identity, type PrefixTransformer, PrefixTransformers, type Transformer } from './transformer.ts';

export interface EncryptionOptions {
  readonly plan: readonly EncryptionPlan[];
  /** The EncryptionConfiguration the plan was read from; given to have changes take effect. */
  readonly file?: { readonly path: string; readonly text: string };
  /** The file it was read from, as messages name it. */
  readonly source?: string;
}

export interface EncryptionDeps {
  readonly store: Store;
  /** All there may be, whether served or not: their keys in the store. */
  readonly resources: readonly Resource[];
  readonly options: EncryptionOptions;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
}

/** The transformers of one configuration. */
interface Provision {
  readonly plan: readonly { readonly resources: readonly string[]; readonly transformer: Transformer }[];
  readonly kms: readonly KmsTransformer[];
}

// Writes that began with the configuration before may still need its plugins.
const retireMs = 60_000;

export class Encryption {
  readonly store: EncryptedStore;
  /** For /healthz, /livez and /readyz. */
  readonly checks: readonly HealthCheck[];
  readonly #deps: EncryptionDeps;
  /** `group/resource` by what keys in the store begin with. */
  readonly #names = new Map<string, string>();
  #provision: Provision;
  /** Transformers by the same; forgotten with the provision. */
  #byPrefix = new Map<string, Transformer | undefined>();
  #followed: FollowedFile | undefined;
  /** Resources of which it has been told. */
  readonly #told = new Set<Transformer>();

  constructor(deps: EncryptionDeps) {
    this.#deps = deps;
    for (const { storagePrefix, group, resource } of deps.resources)
      if (storagePrefix && !this.#names.has(storagePrefix))
        this.#names.set(storagePrefix, group && group !== 'events.k8s.io' ? `${resource}.${group}` : resource);
    this.#provision = this.#provide(deps.options.plan);
    this.store = new EncryptedStore(
      deps.store,
      key => this.#transformerFor(key),
      (key, error) => this.#tellUnreadable(key, error),
    );
    this.checks = this.#healthChecks();
  }

  /** Asks the plugins for their keys, and begins to follow the file. */
  async start(): Promise<void> {
    await Promise.all(this.#provision.kms.map(k => k.start()));
    const { file } = this.#deps.options;
    if (!file) return;
    const { clock, log, metrics } = this.#deps;
    const apply = (text: string) => this.#replace(readEncryptionConfiguration(text));
    this.#followed = new FollowedFile({
      file: file.path,
      text: file.text,
      apply,
      name: 'encryption',
      clock,
      log,
      metrics,
    });
  }

  stop(): void {
    this.#followed?.stop();
    for (const kms of this.#provision.kms) kms.stop();
  }

  /** Rejects, and leaves everything as it is, when a plugin of the new configuration is not well. */
  async #replace(plan: readonly EncryptionPlan[]): Promise<void> {
    const next = this.#provide(plan);
    try {
      await Promise.all(next.kms.map(k => k.check()));
    } catch (error) {
      for (const kms of next.kms) kms.stop();
      throw error;
    }
    await Promise.all(next.kms.map(k => k.start()));
    const old = this.#provision;
    this.#provision = next;
    this.#byPrefix = new Map();
    this.#told.clear();
    this.#deps.clock.after(retireMs, () => {
      for (const kms of old.kms) kms.stop();
    });
  }

  /** One line for all that one part of the configuration cannot open. */
  #tellUnreadable(key: string, error: Error): void {
    const transformer = this.#transformerFor(key);
    if (!transformer || this.#told.has(transformer)) return;
    this.#told.add(transformer);
    const { log, options } = this.#deps;
    log.error(
      'stored objects cannot be decrypted, requests for them fail: add the key they were written with to the ' +
        'configuration, behind the one that is to encrypt, or remove them from the store',
      { file: options.file?.path ?? options.source ?? 'encryption configuration', key, error: error.message },
    );
  }

  /** One for all: with a file that is followed there may be others later. */
  #healthChecks(): HealthCheck[] {
    if (!this.#deps.options.file && !this.#provision.kms.length) return [];
    const check = async () => {
      const errors: string[] = [];
      for (const [i, provider] of this.#provision.kms.entries())
        await provider.check().catch(error => errors.push(`kms-provider-${i}: ${messageOf(error)}`));
      if (errors.length) throw new Error(errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`);
    };
    return [{ name: 'kms-providers', live: true, check }];
  }

  #transformerFor(key: string): Transformer | undefined {
    // `/registry/secrets`, `/registry/services/specs`, `/registry/example.com/widgets`.
    for (let end = key.indexOf('/', 10); end > 0; end = key.indexOf('/', end + 1)) {
      const prefix = key.slice(0, end);
      const known = this.#byPrefix.get(prefix);
      if (known) return known;
      if (this.#byPrefix.has(prefix)) return undefined;
      const name = this.#names.get(prefix) ?? customName(prefix);
      if (!name) continue;
      const found = this.#provision.plan.find(p => p.resources.some(r => matches(r, name)))?.transformer;
      this.#byPrefix.set(prefix, found);
      return found;
    }
    return undefined;
  }

  #provide(plans: readonly EncryptionPlan[]): Provision {
    const kms: KmsTransformer[] = [];
    const plan = plans.map(({ resources, providers }) => ({
      resources,
      transformer: new PrefixTransformers(providers.map(p => this.#counted(this.#provider(p, kms)))),
    }));
    return { plan, kms };
  }

  /** Counts what goes through. */
  #counted(member: PrefixTransformer): PrefixTransformer {
    const { metrics } = this.#deps;
    if (!metrics) return member;
    const { prefix, transformer } = member;
    const counter = metrics.counter('apiserver_storage_transformation_operations_total', 'Values transformed.', [
      'transformation_type',
      'transformer_prefix',
      'status',
    ]);
    const count = <T>(type: string, make: () => T): T => {
      let status = 'Unknown';
      try {
        const made = make();
        status = 'OK';
        return made;
      } finally {
        counter.inc({ transformation_type: type, transformer_prefix: prefix, status });
      }
    };
    return {
      prefix,
      transformer: {
        toStorage: (value, key) => count('to_storage', () => transformer.toStorage(value, key)),
        fromStorage: (stored, key) => count('from_storage', () => transformer.fromStorage(stored, key)),
        ...(transformer.prepare ? { prepare: stored => transformer.prepare!(stored) } : {}),
      },
    };
  }

  #provider(plan: ProviderPlan, kms: KmsTransformer[]): PrefixTransformer {
    const { clock, random, log, metrics } = this.#deps;
    if (plan.type === 'identity') return { prefix: '', transformer: identity };
    if (plan.type === 'kms') {
      const { name, endpoint, timeoutMs } = plan;
      const plugin: KmsPlugin = kmsPlugin(endpoint, timeoutMs, clock);
      const transformer = new KmsTransformer({ name, plugin, clock, random, log, metrics });
      kms.push(transformer);
      return { prefix: `k8s:enc:kms:v2:${name}:`, transformer };
    }
    const { make, title } = ciphers[plan.type];
    const members = plan.keys.map(({ name, secret }) => ({ prefix: `${name}:`, transformer: make(secret, random) }));
    return {
      prefix: `k8s:enc:${plan.type}:v1:`,
      transformer: new PrefixTransformers(members, `no matching key was found for the provided ${title} transformer`),
    };
  }
}

const ciphers: Readonly<Record<CipherName, { make: typeof aesGcm; title: string }>> = {
  aesgcm: { make: aesGcm, title: 'AES' },
  aescbc: { make: aesCbc, title: 'AES' },
  secretbox: { make: secretbox, title: 'Secretbox' },
};

/** Custom resources lie at `/registry/GROUP/RESOURCE`; a group has a dot in it. */
function customName(prefix: string): string | undefined {
  const [, group, resource] = prefix.slice(1).split('/');
  return group?.includes('.') && resource ? `${resource}.${group}` : undefined;
}

/** `pattern` as in the configuration; `name`: `secrets`, `deployments.apps`. */
function matches(pattern: string, name: string): boolean {
  if (pattern === '*.*') return true;
  const dot = name.indexOf('.');
  const group = dot < 0 ? '' : name.slice(dot + 1);
  return pattern.startsWith('*.') ? pattern.slice(2) === group : pattern === name || pattern === `${name}.`;
}
