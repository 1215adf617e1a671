// Label and field selectors of lists and watches.

import { type FieldSelector, parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector, type Selector } from '../../api/label-selector.ts';
import type { KubeObject } from '../../api/meta.ts';
import type { Resource } from '../../api/resource.ts';
import { badRequest } from '../../api/status.ts';
import type { Event } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';

/** What a list or watch shows; everything when both are empty. */
export interface Selection {
  readonly everything: boolean;
  /** Set when the selector can match only one name. */
  readonly name: string | undefined;
  /** Set when the selector can match only what is in this namespace. */
  readonly namespace?: string | undefined;
  /** Set when the selector can match only what is on this node. */
  readonly node?: string | undefined;
  matches(object: KubeObject): boolean;
}

const all: Selection = { everything: true, name: undefined, matches: () => true };

/** Throws 400 for a selector that does not parse or a field the resource does not select by. */
export function parseSelection(
  resource: Resource,
  labelSelector?: string | null,
  fieldSelector?: string | null,
): Selection {
  if (!labelSelector && !fieldSelector) return all;
  let labels: Selector | undefined;
  let fields: FieldSelector | undefined;
  try {
    if (labelSelector) labels = parseLabelSelector(labelSelector);
    if (fieldSelector) fields = parseFieldSelector(fieldSelector);
  } catch (error) {
    throw badRequest(messageOf(error));
  }
  if ((labels?.empty ?? true) && (fields?.empty ?? true)) return all;
  const terms = (fields?.terms ?? []).map(({ field, op, value }) => ({
    read: fieldReader(resource, field),
    equal: op === '=',
    value,
  }));
  return {
    everything: false,
    name: fields?.requiredValue('metadata.name'),
    namespace: resource.namespaced ? fields?.requiredValue('metadata.namespace') : undefined,
    node: fields?.requiredValue('spec.nodeName'),
    matches(object) {
      const seen = resource.custom ? resource.custom.show(object) : object;
      for (const t of terms) if ((t.read(seen) === t.value) !== t.equal) return false;
      return labels ? labels.matches(seen.metadata.labels ?? {}) : true;
    },
  };
}

function fieldReader(resource: Resource, field: string): (object: KubeObject) => string {
  if (field === 'metadata.name') return o => o.metadata.name;
  if (field === 'metadata.namespace' && resource.namespaced) return o => o.metadata.namespace ?? '';
  const fieldPath = field === 'metadata.namespace' ? field : resource.fieldSelectors.get(field);
  if (fieldPath === undefined) {
    throw badRequest(
      resource.fieldSelectors.size > 2 || resource.custom
        ? `field label not supported: ${field}`
        : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
    );
  }
  if (fieldPath === 'source') return sourceOf;
  const parts = fieldPath.split('.');
  return object => {
    let at: unknown = object;
    for (const p of parts) at = (at as Record<string, unknown> | undefined)?.[p];
    if (fieldPath === 'spec.hostNetwork' || fieldPath === 'spec.unschedulable') return String(at ?? false);
    if (fieldPath === 'status.podIPs') return ((at as { ip?: string }[] | undefined) ?? []).map(i => i.ip).join(',');
    return at === undefined || at === null ? '' : String(at);
  };
}

/** The component an event is of, in either of the fields that say so. */
function sourceOf(event: KubeObject): string {
  const { source, reportingComponent } = event as Event;
  return source?.component || reportingComponent || '';
}
