// The list of a collection.
import type { Resource } from '../../api/resource.ts';
import { badRequest, invalid } from '../../api/status.ts';
import { queryInteger } from '../query-value.ts';
import { listObjects } from '../registry/reading.ts';
import type { Registry } from '../registry/registry.ts';
import { parseSelection } from '../registry/selection.ts';
import { rendererFor, sendList } from '../rendering.ts';
import type { ResourceRequest } from './resource-request.ts';

export async function handleList(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context } = request;
  const renderer = rendererFor(request, resource);
  checkNoInitialEvents(request.exchange.query);
  const result = await listObjects(registry, context.dispatcher, listParameters(request, resource));
  await sendList(request, renderer, result);
}

/** Throws 422: they are part of a watch. */
export function checkNoInitialEvents(query: URLSearchParams): void {
  if (!query.has('sendInitialEvents')) return;
  const message = 'Forbidden: sendInitialEvents is forbidden for list';
  const cause = { reason: 'FieldValueForbidden', message, field: 'sendInitialEvents' };
  throw invalid({ group: 'meta.k8s.io', resource: 'ListOptions' }, '', [cause]);
}

/** What a list, a watch or the delete of a collection is about. */
export function listParameters({ exchange, info }: ResourceRequest, resource: Resource) {
  const { query } = exchange;
  if (query.size === 0 && !info.name) {
    return {
      namespace: info.namespace,
      selection: parseSelection(resource),
      limit: 0,
      isWhole: false,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
    };
  }
  queryInteger('timeoutSeconds', query);
  // Nothing is more than no items: a negative limit is none.
  const limit = Math.max(0, Number(queryInteger('limit', query) ?? 0));
  const resourceVersion = query.get('resourceVersion') ?? '';
  const token = query.get('continue') ?? '';
  // What may be of any age comes whole from Kubernetes' cache, which events have none of.
  const isWhole = resourceVersion === '0' && resource.resource !== 'events';
  let fields = query.get('fieldSelector');
  const { name } = parseSelection(resource, '', info.name ? fields : '');
  if (name !== undefined && name !== info.name)
    throw badRequest("fieldSelector metadata.name doesn't match requested name");
  if (info.name) fields = fields ? `${fields},metadata.name=${info.name}` : `metadata.name=${info.name}`;
  return {
    namespace: info.namespace,
    selection: parseSelection(resource, query.get('labelSelector'), fields),
    limit,
    isWhole,
    continue: token,
    resourceVersion,
    resourceVersionMatch: query.get('resourceVersionMatch')?.toWellFormed() ?? '',
  };
}
