// The list of a collection.
import type { Resource } from '../../api/resource.ts';
import { badRequest } from '../../api/status.ts';
import { listObjects } from '../registry/reading.ts';
import type { Registry } from '../registry/registry.ts';
import { parseSelection } from '../registry/selection.ts';
import { rendererFor, sendList } from '../rendering.ts';
import type { ResourceRequest } from './resource-request.ts';

export async function handleList(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { context } = request;
  const renderer = rendererFor(request, resource);
  const result = await listObjects(registry, context.dispatcher, listParameters(request, resource));
  await sendList(request, renderer, result);
}

/** What a list, a watch or the delete of a collection is about. */
export function listParameters({ exchange, info }: ResourceRequest, resource: Resource) {
  const { query } = exchange;
  if (query.size === 0) {
    return {
      namespace: info.namespace,
      selection: parseSelection(resource),
      limit: 0,
      continue: '',
      resourceVersion: '',
      resourceVersionMatch: '',
    };
  }
  checkInteger('timeoutSeconds', query);
  const limit = Number(query.get('limit') ?? 0);
  if (!Number.isInteger(limit) || limit < 0)
    throw badRequest(`limit: Invalid value: ${JSON.stringify(query.get('limit'))}: must be a non-negative integer`);
  let fields = query.get('fieldSelector');
  if (info.name) fields = fields ? `${fields},metadata.name=${info.name}` : `metadata.name=${info.name}`;
  return {
    namespace: info.namespace,
    selection: parseSelection(resource, query.get('labelSelector'), fields),
    limit,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
  };
}

function checkInteger(name: string, query: URLSearchParams): void {
  const text = query.get(name);
  if (text && !/^[+-]?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}
