// storage-version-migrator-controller: writes every object of a resource anew, unchanged, so that all are stored in the
// version and with the encryption of today.
import { cloneDeep, type Draft, formatTime, type KubeObject, type ObjectKey } from '../../api/meta.ts';
import { apiVersionOf, type ResourceRef } from '../../api/ref.ts';
import { storagemigrationV1beta1 } from '../../api/refs.ts';
import { isConflict, isInvalid, isNotFound, StatusError } from '../../api/status.ts';
import type { Condition } from '../../api/type/meta-v1.ts';
import type { StorageVersionMigration } from '../../api/type/storagemigration-v1beta1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { fetchResourceLists } from '../api-resources.ts';

const { storageversionmigrations } = storagemigrationV1beta1;
const pageSize = 500;

export function storageVersionMigratorController(): Controller {
  return {
    name: 'storage-version-migrator-controller',
    serviceAccount: 'storage-version-migrator-controller',
    watches: [
      {
        resource: storageversionmigrations,
        keys: (m: StorageVersionMigration, _old, _context, deleted) => (deleted || isOver(m) ? [] : [m.metadata.name]),
      },
    ],
    writes: ['*', 'storageversionmigrations/status'],
    // One: it is not to press the server.
    workers: 1,
    create: context => ({ reconcile: name => migrate(name, context) }),
  };
}

const has = ({ status }: StorageVersionMigration, type: string): boolean =>
  status?.conditions?.some(c => c.type === type && c.status === 'True') ?? false;
const isOver = (m: StorageVersionMigration): boolean => has(m, 'Succeeded') || has(m, 'Failed');

async function migrate(name: string, context: ControllerContext): Promise<void> {
  let migration = context.lister(storageversionmigrations).get(name);
  if (!migration || isOver(migration)) return;
  const resource = await findResource(migration, context);
  if (!resource) {
    const { group = '', resource: wanted = '' } = migration.spec.resource;
    const message = `resource ${group ? `${wanted}.${group}` : wanted} does not exist`;
    await write(migration, 'Failed', 'StorageVersionMigrationFailed', message, context);
    return;
  }
  if (!migration.status?.resourceVersion) {
    const { metadata } = await context.client.list(resource, { limit: 1 });
    migration = await write(migration, undefined, '', '', context, metadata.resourceVersion);
  }
  if (!has(migration, 'Running'))
    migration = await write(migration, 'Running', 'StorageVersionMigrationInProgress', '', context);
  const failure = await rewriteAll(resource, context);
  if (failure === undefined) await write(migration, 'Succeeded', 'StorageVersionMigrationSucceeded', '', context);
  else await write(migration, 'Failed', 'StorageVersionMigrationFailed', failure, context);
}

/** In the version that its group prefers. */
async function findResource(
  { spec }: StorageVersionMigration,
  { client }: ControllerContext,
): Promise<ResourceRef<KubeObject> | undefined> {
  const { group = '', resource } = spec.resource;
  const { lists } = await fetchResourceLists(client);
  for (const { groupVersion, resources } of lists) {
    const [version = '', itsGroup = ''] = groupVersion.split('/').toReversed();
    const found = itsGroup === group && resources?.find(r => r.name === resource);
    if (found) return { group, version, resource: found.name, kind: found.kind, namespaced: found.namespaced };
  }
  return undefined;
}

/** Resolves with why it can never be done; rejects when it may be tried again. */
async function rewriteAll(
  resource: ResourceRef<KubeObject>,
  { client }: ControllerContext,
): Promise<string | undefined> {
  let from: string | undefined;
  do {
    const page = await client.list(resource, { limit: pageSize, ...(from ? { continue: from } : {}) });
    for (const { metadata } of page.items) {
      const { name, namespace, uid, resourceVersion } = metadata;
      const key: ObjectKey = namespace ? { namespace, name } : { name };
      const body = {
        apiVersion: apiVersionOf(resource),
        kind: resource.kind,
        metadata: { ...key, uid, resourceVersion },
      };
      try {
        await client.patch(resource, key, { type: 'apply', body, force: true });
      } catch (error) {
        // Gone, replaced, or written by somebody else meanwhile: then it has been stored anew.
        if (isNotFound(error) || isConflict(error) || isInvalid(error)) continue;
        if (!(error instanceof StatusError) || error.code === 429 || error.code >= 500) throw error;
        return error.message;
      }
    }
    from = page.metadata.continue;
  } while (from);
  return undefined;
}

async function write(
  migration: StorageVersionMigration,
  type: string | undefined,
  reason: string,
  message: string,
  { client, clock }: ControllerContext,
  resourceVersion?: string,
): Promise<StorageVersionMigration> {
  const now = formatTime(clock.now());
  const draft = cloneDeep(migration) as Draft<StorageVersionMigration>;
  // It runs no longer when it is over.
  const conditions = (migration.status?.conditions ?? []).map(c =>
    type && c.type === 'Running' ? { ...c, status: 'False', lastTransitionTime: now } : c,
  ) as Condition[];
  if (type) conditions.push({ type, status: 'True', lastTransitionTime: now, reason, message } as Condition);
  draft.status = {
    ...draft.status,
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  } as typeof draft.status;
  return client.updateStatus(storageversionmigrations, draft);
}
