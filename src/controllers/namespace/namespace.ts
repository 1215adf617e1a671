// namespace-controller: empties namespaces that are being deleted, then lets them go.
import { cloneDeep, type Draft, formatTime, parseTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { semanticEqual } from '../../api/rule/record.ts';
import { isNotFound } from '../../api/status.ts';
import type { Namespace, Pod } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { type ContentResult, deleteContent } from './delete-content.ts';
import { discoverDeletable } from './discover.ts';
import { deletionConditions } from './kernel/deletion-conditions.ts';

export interface NamespaceControllerOptions {
  /**
   * No namespace goes sooner than so long after its deletion: a creation that was let in before the deletion was known
   * must have reached the store. Default 1000; several API servers on one store want Kubernetes' 5000.
   */
  readonly settleMs?: number;
}

export function namespaceController(options: NamespaceControllerOptions = {}): Controller {
  const { settleMs = 1000 } = options;
  return {
    name: 'namespace-controller',
    queue: 'namespace',
    serviceAccount: 'namespace-controller',
    watches: [
      {
        resource: coreV1.namespaces,
        // Conditions are written by ourselves, and need no second pass.
        keys: (n: Namespace, old: Namespace | undefined, _context, deleted) =>
          n.metadata.deletionTimestamp && !deleted && !semanticEqual(markOf(n), old && markOf(old))
            ? [n.metadata.name]
            : [],
      },
      {
        resource: coreV1.pods,
        // The rest goes as soon as the last pod has ended, not when its grace period would be over.
        keys: ({ metadata: { namespace = '' } }: Pod, _old, { lister }, deleted) =>
          deleted &&
          lister(coreV1.namespaces).get(namespace)?.metadata.deletionTimestamp &&
          lister(coreV1.pods).list(namespace).length === 0
            ? [namespace]
            : [],
      },
    ],
    writes: ['namespaces/status', 'namespaces/finalize', '*'],
    workers: 10,
    // What holds a deletion up, such as an aggregated API that is away, may end at any time.
    retry: { maxMs: 60_000 },
    create: context => ({ reconcile: name => reconcile(name, settleMs, context) }),
  };
}

const markOf = (n: Namespace) => [n.metadata.deletionTimestamp, n.spec?.finalizers];

async function reconcile(name: string, settleMs: number, context: ControllerContext): Promise<Result | undefined> {
  const { client, clock } = context;
  if (!context.lister(coreV1.namespaces).get(name)?.metadata.deletionTimestamp) return undefined;
  // Fresh, because what is deleted must be this very namespace's.
  let namespace = await find(name, context);
  if (!namespace?.metadata.deletionTimestamp || !namespace.spec?.finalizers?.length) return undefined;
  const elapsedMs = clock.now() - parseTime(namespace.metadata.deletionTimestamp)!;
  const content = await deleteContent(client, name, await discoverDeletable(client), elapsedMs);
  namespace = await writeConditions(namespace, content, context);
  const failures = [...content.discoveryErrors, ...content.parseErrors, ...content.contentErrors];
  if (failures.length > 0) throw new Error(failures.join('; '));
  if (content.estimateSeconds > 0) return { requeueAfterMs: (Math.floor(content.estimateSeconds / 2) + 1) * 1000 };
  if (elapsedMs < settleMs) return { requeueAfterMs: settleMs - elapsedMs };
  await finalize(namespace, context);
  return undefined;
}

async function find(name: string, { client }: ControllerContext): Promise<Namespace | undefined> {
  try {
    return await client.get(coreV1.namespaces, { name });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function writeConditions(
  namespace: Namespace,
  content: ContentResult,
  { client, clock }: ControllerContext,
): Promise<Namespace> {
  const old = namespace.status?.conditions;
  const conditions = deletionConditions(old, content, formatTime(clock.now()));
  if (conditions === old && namespace.status?.phase === 'Terminating') return namespace;
  const draft: Draft<Namespace> = cloneDeep(namespace);
  draft.status = { ...draft.status, phase: 'Terminating', conditions: cloneDeep(conditions ?? []) as [] };
  return client.updateStatus(coreV1.namespaces, draft);
}

async function finalize(namespace: Namespace, { client }: ControllerContext): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter(f => f !== 'kubernetes');
  const { name } = namespace.metadata;
  const body = { ...namespace, spec: { ...namespace.spec, finalizers } };
  try {
    await client.updateSubresource(coreV1.namespaces, { name }, 'finalize', body);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
