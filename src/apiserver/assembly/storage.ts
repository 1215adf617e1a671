// What is stored and how it is served: the store in its layers, and a cache and a registry for each resource.
import type { KubeObject } from '../../api/meta.ts';
import { type Resource, resourceId } from '../../api/resource.ts';
import { strategyOf } from '../../api/rule/index.ts';
import { PartSharer } from '../../api/share.ts';
import type { Strategy } from '../../api/strategy.ts';
import type { Store } from '../../store/store.ts';
import { AdmissionChain, type AdmissionPlugin } from '../admission/admission.ts';
import { Encryption } from '../encryption/encryption.ts';
import { admissionMeter } from '../observe/admission-meter.ts';
import { MeasuredStore } from '../observe/measured-store.ts';
import { Dispatcher } from '../registry/dispatcher.ts';
import { KeptBytes } from '../registry/kept-bytes.ts';
import { KnownTexts } from '../registry/known-texts.ts';
import { Registry, type RegistryHooks } from '../registry/registry.ts';
import { decodeStored, undecodable } from '../registry/stored-form.ts';
import { WatchCache } from '../registry/watch-cache.ts';
import { gatesWithoutKind, servedResources } from '../runtime-config.ts';
import type { Basis } from './basis.ts';

export interface Storage {
  readonly store: Store;
  readonly encryption: Encryption | undefined;
  readonly dispatcher: Dispatcher;
  /** Served resources by `group/version/resource`. */
  readonly resources: Map<string, Resource>;
  /** As ApiContext has them. */
  readonly registries: Map<string, Registry>;
  /** Of what is built in, by their prefix in the store. */
  readonly caches: ReadonlyMap<string, WatchCache>;
  /** Admission of all registries; filled once there is a context. */
  readonly plugins: AdmissionPlugin[];
  /** By `group/resource`; filled once there is a context. */
  readonly hooks: Map<string, RegistryHooks>;
  makeCache(prefix: string): WatchCache;
  makeRegistry(resource: Resource, strategy: Strategy, cache: WatchCache): Registry;
}

// Ten thousand pods of 4 KB: a list of more is encoded anew.
const keptBytes = 48 << 20;
const hourMs = 3_600_000;

export function createStorage({ options, clock, random, log, metrics, table, featureEnabled }: Basis): Storage {
  const encryption =
    options.encryption &&
    new Encryption({
      ...{ store: options.store, resources: table.resources, options: options.encryption },
      ...{ clock, random, log, metrics },
    });
  const store = new MeasuredStore(encryption?.store ?? options.store, metrics, clock, table.resources);
  const dispatcher = new Dispatcher(store, clock, log);
  const { eventTtlMs = hourMs } = options;
  const sharer = new PartSharer();
  const texts = new KnownTexts();
  const decode = (bytes: Uint8Array, revision: number): KubeObject => {
    const object = decodeStored(bytes, revision, text => texts.parse(text));
    sharer.share(object);
    texts.learn(object);
    return object as KubeObject;
  };
  const kept = new KeptBytes(keptBytes);
  const plugins: AdmissionPlugin[] = [];
  const hooks = new Map<string, RegistryHooks>();
  const admission = new AdmissionChain(plugins, admissionMeter(metrics, clock));
  const builtin = new Set(Array.from(table.resources, r => `${r.storagePrefix}/`));
  const makeCache = (prefix: string) =>
    new WatchCache({
      ...{ prefix, kept },
      decode(bytes, revision) {
        try {
          return decode(bytes, revision);
        } catch (error) {
          throw undecodable(bytes, !builtin.has(prefix), error);
        }
      },
      onUndecodable: (key, error) => log.error('what is stored cannot be decoded', { key, error: error.message }),
    });

  function makeRegistry(resource: Resource, strategy: Strategy, cache: WatchCache): Registry {
    const id = `${resource.group}/${resource.resource}`;
    return new Registry({
      resource,
      strategy,
      cache,
      store,
      ...(encryption ? { isStale: (key: string) => encryption.store.isStale(key) } : {}),
      dispatcher,
      admission,
      clock,
      random,
      featureEnabled,
      sharer,
      ...(eventTtlMs > 0 && (id === '/events' || id === 'events.k8s.io/events') ? { ttlMs: eventTtlMs } : {}),
      get hooks() {
        return hooks.get(id);
      },
    });
  }

  const served = servedResources(table.resources, options.runtimeConfig ?? {}, featureEnabled);
  for (const lack of gatesWithoutKind(served, featureEnabled))
    log.warn('a feature gate is on whose kind is not served: add it to the runtime configuration', lack);
  const resources = new Map(served.map(r => [resourceId(r), r]));
  const built = builtinRegistries(served, { makeCache, makeRegistry });
  return { store, encryption, dispatcher, resources, ...built, plugins, hooks, makeCache, makeRegistry };
}

/** One cache for each prefix, one registry for each group and resource: versions share theirs. */
function builtinRegistries(
  served: readonly Resource[],
  { makeCache, makeRegistry }: Pick<Storage, 'makeCache' | 'makeRegistry'>,
) {
  const caches = new Map<string, WatchCache>();
  const registries = new Map<string, Registry>();
  for (const resource of served) {
    const id = `${resource.group}/${resource.resource}`;
    if (!resource.storagePrefix || registries.has(id)) continue;
    const cache = caches.getOrInsertComputed(`${resource.storagePrefix}/`, makeCache);
    registries.set(id, makeRegistry(resource, strategyOf(resource), cache));
  }
  return { caches, registries };
}
