// The delete of an object, and of a collection.
import type { Resource } from '../../api/resource.ts';
import { sentOptions } from '../audit/kernel/sent-options.ts';
import { deleteOptions, deleteRequest } from '../delete-options.ts';
import { writeContext } from '../options.ts';
import { deleteObject } from '../registry/delete.ts';
import { deleteCollection } from '../registry/delete-collection.ts';
import { listObjects } from '../registry/reading.ts';
import type { Registry } from '../registry/registry.ts';
import type { Stored } from '../registry/stored.ts';
import { rendererFor, sendForm, sendList } from '../rendering.ts';
import { sendObject } from '../respond.ts';
import { returnsDeleted } from '../returns-deleted.ts';
import { checkNoInitialEvents, listParameters } from './list.ts';
import { countedBody, keyOf, ofRequest, type ResourceRequest } from './resource-request.ts';

export async function handleDelete(request: ResourceRequest, resource: Resource, registry: Registry): Promise<void> {
  const { asked, context } = await readDelete(request, resource);
  const { stored, deleted } = await deleteObject(registry, keyOf(request.info), asked, context);
  if (!deleted || returnsDeleted.has(`${resource.group}/${resource.resource}`)) {
    const code = !deleted && asked.orphanDependents === false ? 202 : 200;
    return sendObject(request, code, rendererFor(request, resource), stored);
  }
  return sendForm(request, 200, deletedStatus(resource, stored));
}

/** What a delete at once answers. */
export function deletedStatus(resource: Resource, stored: Stored): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      name: stored.object.metadata.name,
      ...(resource.group ? { group: resource.group } : {}),
      kind: resource.resource,
      uid: stored.object.metadata.uid,
    },
  };
}

export async function handleDeleteCollection(
  request: ResourceRequest,
  resource: Resource,
  registry: Registry,
): Promise<void> {
  const { asked, context } = await readDelete(request, resource);
  checkNoInitialEvents(request.exchange.query);
  const parameters = listParameters(request, resource);
  const renderer = rendererFor(request, resource);
  const { resourceVersion, resourceVersionMatch: match } = parameters;
  // Kubernetes takes a page at a time, and pages are of exactly the version that is asked for.
  const exact = !match && !parameters.continue && Number(resourceVersion) > 0 ? 'Exact' : match;
  const what = { ...parameters, resourceVersionMatch: exact };
  const listed = await listObjects(registry, request.context.dispatcher, what);
  await deleteCollection(registry, listed.items, asked, context);
  // As they were: what has become of each is not told.
  await sendList(request, renderer, listed);
}

async function readDelete(request: ResourceRequest, resource: Resource) {
  const { exchange, user, warnings } = request;
  const body = await countedBody(request, resource);
  const options = deleteOptions(body, exchange.headers['content-type'], exchange.query);
  if (body.length > 0) request.audited?.sent(() => sentOptions(options));
  const asked = deleteRequest(options);
  const context = writeContext(
    user,
    { dryRun: asked.dryRun, fieldManager: '', fieldValidation: 'Ignore' },
    '',
    body.length ? options : {},
    m => void warnings.push(m),
  );
  return { asked, context: { ...context, ...ofRequest(request) } };
}
