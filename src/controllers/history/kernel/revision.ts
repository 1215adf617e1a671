// ControllerRevisions: what a workload's template was at each of its revisions.
import type { Draft } from '../../../api/meta.ts';
import { semanticEqual } from '../../../api/rule/record.ts';
import type { ControllerRevision } from '../../../api/type/apps-v1.ts';
import type { PodTemplateSpec } from '../../../api/type/core-v1.ts';
import type { OwnerReference } from '../../../api/type/meta-v1.ts';
import { compareWhole, largest, type WholeNumber, wholeNumber } from '../../../base/whole-number.ts';
import { hashOf, stableText } from '../../kernel/hash.ts';

/** The label by which pods, and a DaemonSet's revisions, carry their revision. */
export const revisionLabel = 'controller-revision-hash';

/** What a revision stores: a strategic merge patch that puts the template back. */
export const templatePatch = (template: PodTemplateSpec): object => ({
  spec: { template: { ...template, $patch: 'replace' } },
});

export interface RevisionInput {
  readonly owner: {
    readonly metadata: {
      readonly name: string;
      readonly namespace?: string;
      readonly annotations?: Readonly<Record<string, string>>;
    };
  };
  readonly ownerReference: OwnerReference;
  readonly template: PodTemplateSpec;
  /** Under which the hash is written. */
  readonly hashLabel: string;
  readonly revision: WholeNumber;
  readonly collisionCount: number | undefined;
}

/** The revision of a template, called after its hash; another `collisionCount` gives another name. */
export function newRevision(input: RevisionInput): Draft<ControllerRevision> {
  const { owner, template, hashLabel, revision, collisionCount } = input;
  const { name, namespace, annotations } = owner.metadata;
  // Keys in order: clients find the present revision by comparing its bytes with those they make of the template.
  const data = JSON.parse(stableText(templatePatch(template))) as object;
  const hash = hashOf(data, collisionCount);
  return {
    metadata: {
      // Names of revisions end up in labels of pods, which hold no more.
      name: `${name.slice(0, 223)}-${hash}`,
      namespace: namespace!,
      labels: { ...template.metadata?.labels, [hashLabel]: hash },
      ...(annotations ? { annotations: { ...annotations } } : {}),
      ownerReferences: [input.ownerReference],
    },
    data,
    revision,
  };
}

export const holdsTemplate = (revision: { data?: unknown }, template: PodTemplateSpec): boolean =>
  semanticEqual(revision.data, templatePatch(template));

/** Oldest first: by number, then age, then name. */
export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  return (
    compareWhole(a.revision, b.revision) ||
    compareText(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
    compareText(a.metadata.name, b.metadata.name)
  );
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const nextNumber = (revisions: readonly ControllerRevision[]): WholeNumber =>
  wholeNumber(BigInt(largest(revisions.map(r => r.revision))) + 1n);

/** The oldest of those that nothing lives from, beyond `limit`. A negative limit keeps all. */
export function expendableRevisions(
  dead: readonly ControllerRevision[],
  limit: number | undefined,
): ControllerRevision[] {
  if (limit === undefined || limit < 0 || dead.length <= limit) return [];
  return dead.toSorted(byRevision).slice(0, dead.length - limit);
}
