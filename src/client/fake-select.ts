import { parseFieldSelector } from '../api/field-selector.ts';
import { parseLabelSelector } from '../api/label-selector.ts';
import type { KubeObject } from '../api/meta.ts';
import { badRequest } from '../api/status.ts';
import { messageOf } from '../base/assert.ts';

/** Does an object pass the namespace, label and field selector? Fields are read from the object by their path. */
export function fakeSelector(options: {
  namespace?: string;
  labelSelector?: string;
  fieldSelector?: string;
}): (object: KubeObject) => boolean {
  const { namespace } = options;
  const labels = parsed(parseLabelSelector, options.labelSelector ?? '');
  const fields = parsed(parseFieldSelector, options.fieldSelector ?? '');
  return object =>
    (!namespace || object.metadata.namespace === namespace) &&
    labels.matches(object.metadata.labels) &&
    fields.matchesFields(path => fieldOf(object, path));
}

function parsed<T>(parse: (text: string) => T, text: string): T {
  try {
    return parse(text);
  } catch (error) {
    throw badRequest(messageOf(error));
  }
}

function fieldOf(object: unknown, path: string): string {
  let at: unknown = object;
  for (const step of path.split('.')) at = (at as Record<string, unknown> | undefined)?.[step];
  return at === undefined || at === null ? '' : String(at);
}
