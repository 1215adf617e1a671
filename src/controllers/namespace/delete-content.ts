// Deletes everything in a namespace: pods first, and the rest when no pod is left.
import type { KubeObject } from '../../api/meta.ts';
import { isNotFound, StatusError } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Client } from '../../client/client.ts';
import type { Discovered } from './discover.ts';
import type { DeletableResource } from './kernel/api-documents.ts';
import type { DeletionReport, Remaining } from './kernel/deletion-conditions.ts';
import { countFinalizers, podGraceSeconds } from './kernel/grace.ts';

export interface ContentResult extends DeletionReport {
  /** Seconds until it is worth looking again; 0 when nothing is left. */
  readonly estimateSeconds: number;
}

interface OneResult {
  readonly remaining: Remaining;
  readonly finalizers: ReadonlyMap<string, number>;
  readonly estimateSeconds: number;
  readonly error?: string;
}

// What a finalizer takes is anybody's guess.
const finalizerEstimateSeconds = 15;
// Resources worked on at once.
const atOnce = 8;

/** `elapsedMs` since the namespace's deletion. */
export async function deleteContent(
  client: Client,
  namespace: string,
  discovered: Discovered,
  elapsedMs: number,
): Promise<ContentResult> {
  const isPods = (r: DeletableResource) => r.group === '' && r.resource === 'pods';
  const results: OneResult[] = [];
  const run = async (resource: DeletableResource) => {
    results.push(await deleteAll(client, namespace, resource, elapsedMs));
  };
  const pods = discovered.resources.find(isPods);
  if (pods) await run(pods);
  if (!results.some(r => r.remaining.count > 0)) {
    const rest = discovered.resources.filter(r => !isPods(r));
    const workers = Array.from({ length: atOnce }, async () => {
      for (let next = rest.shift(); next; next = rest.shift()) await run(next);
    });
    await Promise.all(workers);
  }
  return summary(results, discovered);
}

function summary(results: readonly OneResult[], discovered: Discovered): ContentResult {
  const finalizers = new Map<string, number>();
  for (const r of results) for (const [f, n] of r.finalizers) finalizers.set(f, (finalizers.get(f) ?? 0) + n);
  return {
    discoveryErrors: discovered.errors,
    parseErrors: discovered.parseErrors,
    contentErrors: results.flatMap(r => (r.error === undefined ? [] : [r.error])).sort(),
    remaining: results.map(r => r.remaining),
    finalizers,
    estimateSeconds: Math.max(0, ...results.map(r => r.estimateSeconds)),
  };
}

async function deleteAll(
  client: Client,
  namespace: string,
  resource: DeletableResource,
  elapsedMs: number,
): Promise<OneResult> {
  const { group, resource: name } = resource;
  const result = (count: number, more: Partial<OneResult> = {}): OneResult => ({
    remaining: { group, resource: name, count },
    finalizers: new Map(),
    estimateSeconds: 0,
    ...more,
  });
  try {
    const before = await list(client, namespace, resource);
    if (before?.length === 0) return result(0);
    const grace = name === 'pods' && group === '' ? podGraceSeconds((before ?? []) as Pod[], elapsedMs) : 0;
    await deleteObjects(client, namespace, resource, before ?? []);
    const left = (await list(client, namespace, resource)) ?? [];
    if (left.length === 0) return result(0);
    const finalizers = countFinalizers(left);
    if (grace > 0) return result(left.length, { finalizers, estimateSeconds: grace });
    if (finalizers.size > 0) return result(left.length, { finalizers, estimateSeconds: finalizerEstimateSeconds });
    return result(left.length, { error: stillThere(namespace, resource) });
  } catch (error) {
    return result(0, { error: messageOf(error) });
  }
}

const stillThere = (namespace: string, { group, version, resource }: DeletableResource): string =>
  `unexpected items still remain in namespace: ${namespace} for gvr: ${group}/${version}, Resource=${resource}`;

/** Undefined for what cannot be listed. */
async function list(
  client: Client,
  namespace: string,
  resource: DeletableResource,
): Promise<readonly KubeObject[] | undefined> {
  if (!resource.verbs.includes('list')) return undefined;
  try {
    return (await client.list(resource, { namespace })).items;
  } catch (error) {
    if (unsupported(error)) return undefined;
    throw error;
  }
}

async function deleteObjects(
  client: Client,
  namespace: string,
  resource: DeletableResource,
  objects: readonly KubeObject[],
): Promise<void> {
  const options = { propagationPolicy: 'Background' as const };
  if (resource.verbs.includes('deletecollection')) {
    try {
      await client.deleteCollection(resource, { namespace }, options);
      return;
    } catch (error) {
      if (!unsupported(error)) throw error;
    }
  }
  for (const { metadata } of objects) {
    try {
      await client.delete(resource, { namespace, name: metadata.name }, options);
    } catch (error) {
      if (!isNotFound(error) && !unsupported(error)) throw error;
    }
  }
}

/** Discovery says that a resource can do something, and the server does not: custom and aggregated resources may. */
const unsupported = (error: unknown): boolean =>
  isNotFound(error) || (error instanceof StatusError && error.code === 405);
