import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { alreadyExists, badRequest, forbidden, StatusError } from '../../api/status.ts';
import { StoreConflictError } from '../../store/store.ts';
import { recordManager } from './managers.ts';
import { canonical, countsGeneration, generateName, stampNew } from './metadata.ts';
import { dedupeOwners } from './owners.ts';
import { isLarge, pause } from './pace.ts';
import type { Registry, WriteContext } from './registry.ts';
import { Stored } from './stored.ts';
import { validateObject } from './validation.ts';

const generateNameTries = 8;
const podType = 'io.k8s.api.core.v1.Pod';

/**
 * Creates `draft` (decoded and defaulted, private to this call). Throws StatusError: 400 for a namespace or name that is
 * not the request's, 403 by admission, 409 AlreadyExists, 422 by validation.
 */
export async function createObject(
  registry: Registry,
  namespace: string,
  draft: Mutable<KubeObject>,
  context: WriteContext,
  name = '',
): Promise<Stored> {
  settleNamespace(registry, namespace, draft);
  if (name && !draft.metadata.name) draft.metadata.name = name;
  dedupeOwners(draft, context.warn, 'sent');
  const generated = !draft.metadata.name && draft.metadata.generateName ? draft.metadata.generateName : undefined;
  for (let tries = 1; ; tries++) {
    if (generated) draft.metadata.name = generateName(generated, registry.options.random);
    if (registry.resource.custom?.closed)
      throw forbidden(
        registry.resource,
        draft.metadata.name ?? '',
        'create not allowed while custom resource definition is terminating',
      );
    try {
      // Each attempt has a draft of its own.
      return await registry.onFreshCaches(() =>
        createOnce(registry, namespace, registry.shared ? cloneDeep(draft) : draft, context, generated),
      );
    } catch (error) {
      if (!(error instanceof StoreConflictError)) throw error;
      if (!generated)
        throw taken(registry, registry.keyOf({ namespace, name: draft.metadata.name }), draft.metadata.name);
      if (tries === generateNameTries) {
        throw new StatusError(
          409,
          'AlreadyExists',
          `${registry.resource.resource}${registry.resource.group ? `.${registry.resource.group}` : ''} "${draft.metadata.name}" already exists, the server was not able to generate a unique name for the object`,
          {
            group: registry.resource.group,
            kind: registry.resource.resource,
            name: draft.metadata.name,
            retryAfterSeconds: 1,
          },
        );
      }
    }
  }
}

function settleNamespace(registry: Registry, namespace: string, draft: Mutable<KubeObject>): void {
  // Where the path has none neither has the object, and validation says so.
  if (!registry.resource.namespaced || !namespace) {
    delete draft.metadata.namespace;
    return;
  }
  if (!draft.metadata.namespace) draft.metadata.namespace = namespace;
  if (draft.metadata.namespace !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
}

// What is not stored may carry one.
function refuseVersion({ metadata }: Mutable<KubeObject>, { dryRun }: WriteContext): void {
  if (metadata.resourceVersion && !dryRun)
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
}

async function createOnce(
  registry: Registry,
  namespace: string,
  draft: Mutable<KubeObject>,
  context: WriteContext,
  generated: string | undefined,
): Promise<Stored> {
  const { admission, clock, random, hooks } = registry.options;
  const { strategy } = registry;
  const { metadata } = draft;
  const large = isLarge(context.bytes ?? 0);
  refuseVersion(draft, context);
  // Validation refuses it with all else that is wrong; until then rules read its name as a text.
  if (!metadata.name) metadata.name = '';
  stampNew(draft, clock.now(), random);
  const key = { namespace, name: metadata.name };
  const attributes = registry.attributes('CREATE', context, key, draft, undefined);
  if (registry.resource.typeName === podType) registry.options.sharer?.adoptLists(draft);
  // Before admission: what plugins fill in is nobody's.
  const recording = recordManager(registry, undefined, draft, context);
  if (recording) await recording;
  if (large) await pause();
  // Those who mutate are not to know the name that was made.
  const waiting = admission.mutate(generated ? { ...attributes, name: generated } : attributes);
  if (waiting) await waiting;
  // Those who mutate may have said what only the request says.
  refuseVersion(draft, context);
  settleNamespace(registry, namespace, draft);
  dedupeOwners(draft, context.warn, 'admitted');
  strategy.prepareForCreate?.(draft, registry.ruleContext(context.subresource, context.user));
  if (countsGeneration(registry)) metadata.generation = 1;
  validateObject(registry, draft as KubeObject, undefined, context);
  if (large) await pause();
  const checking = admission.validate(attributes);
  if (checking) await checking;
  // A webhook may have named it.
  const id = registry.keyOf({ namespace, name: metadata.name });
  const unreadable = registry.cache.unreadableAt(id);
  if (unreadable) throw new StoreConflictError(id, unreadable);
  // It may be gone by now, through another server.
  if (registry.cache.latest(id)) await registry.freshen();
  const there = registry.cache.latest(id);
  if (there) {
    await registry.whenDurable(id, there.revision);
    throw new StoreConflictError(id, there.revision);
  }
  const undo = hooks?.beforeCreate && (await hooks.beforeCreate(draft, context));
  const object = canonical(registry, draft);
  if (large) await pause();
  if (context.dryRun) {
    undo?.();
    delete (object.metadata as { resourceVersion?: string }).resourceVersion;
    return new Stored(id, object as KubeObject, 0);
  }
  try {
    context.checkDeadline?.();
    return await registry.put(id, object, 0, context);
  } catch (error) {
    undo?.();
    throw error;
  }
}

function taken(registry: Registry, key: string, name: string): StatusError {
  const e = alreadyExists(registry.resource, name);
  const { cache } = registry;
  const deleting = !cache.unreadableAt(key) && cache.latest(key)?.object.metadata.deletionTimestamp !== undefined;
  return deleting
    ? new StatusError(409, 'AlreadyExists', `object is being deleted: ${e.message}`, e.status.details)
    : e;
}
