// What a namespace's status says about its deletion.
import type { NamespaceCondition } from '../../../api/type/core-v1.ts';
import { nextConditions, type Wanted } from './merge-conditions.ts';

/** A resource of which something is left, `pods.` or `deployments.apps`. */
export interface Remaining {
  readonly resource: string;
  readonly group: string;
  readonly count: number;
}

export interface DeletionReport {
  /** One text a group version that could not be discovered. */
  readonly discoveryErrors: readonly string[];
  /** Group versions that could not be read. */
  readonly parseErrors: readonly string[];
  readonly contentErrors: readonly string[];
  readonly remaining: readonly Remaining[];
  /** Finalizers that hold something back, and how many objects each. */
  readonly finalizers: ReadonlyMap<string, number>;
}

/** The conditions a namespace should have after a pass; the same array when nothing has changed. */
export function deletionConditions(
  old: readonly NamespaceCondition[] | undefined,
  report: DeletionReport,
  now: string,
): readonly NamespaceCondition[] | undefined {
  return nextConditions(
    old,
    [discovery(report), parsing(report), content(report), remaining(report), finalizers(report)],
    now,
  );
}

function discovery({ discoveryErrors: errors }: DeletionReport): Wanted {
  const type = 'NamespaceDeletionDiscoveryFailure';
  if (errors.length === 0) return ok(type, 'ResourcesDiscovered', 'All resources successfully discovered');
  const message =
    `Discovery failed for some groups, ${errors.length} failing: ` +
    `unable to retrieve the complete list of server APIs: ${errors.join(', ')}`;
  return failing(type, 'DiscoveryFailed', message);
}

function parsing({ parseErrors }: DeletionReport): Wanted {
  const type = 'NamespaceDeletionGroupVersionParsingFailure';
  if (parseErrors.length === 0) return ok(type, 'ParsedGroupVersions', 'All legacy kube types successfully parsed');
  return failing(type, 'GroupVersionParsingFailed', parseErrors[0]!);
}

function content({ contentErrors: errors }: DeletionReport): Wanted {
  const type = 'NamespaceDeletionContentFailure';
  if (errors.length === 0) {
    const message = 'All content successfully deleted, may be waiting on finalization';
    return ok(type, 'ContentDeleted', message);
  }
  const list = errors.length === 1 ? errors[0]! : `[${[...new Set(errors)].join(', ')}]`;
  return failing(
    type,
    'ContentDeletionFailed',
    `Failed to delete all resource types, ${errors.length} remaining: ${list}`,
  );
}

function remaining({ remaining: left }: DeletionReport): Wanted {
  const type = 'NamespaceContentRemaining';
  const texts = left.filter(r => r.count > 0).map(r => `${r.resource}.${r.group} has ${r.count} resource instances`);
  if (texts.length === 0) return ok(type, 'ContentRemoved', 'All content successfully removed');
  return failing(type, 'SomeResourcesRemain', `Some resources are remaining: ${texts.sort().join(', ')}`);
}

function finalizers({ finalizers: held }: DeletionReport): Wanted {
  const type = 'NamespaceFinalizersRemaining';
  const texts = [...held].filter(([, n]) => n > 0).map(([name, n]) => `${name} in ${n} resource instances`);
  if (texts.length === 0) return ok(type, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished');
  const message = `Some content in the namespace has finalizers remaining: ${texts.sort().join(', ')}`;
  return failing(type, 'SomeFinalizersRemain', message);
}

const ok = (type: string, reason: string, message: string): Wanted => ({ type, status: 'False', reason, message });
const failing = (type: string, reason: string, message: string): Wanted => ({ type, status: 'True', reason, message });
