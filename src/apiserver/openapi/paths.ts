// The paths of a resource, in the form of OpenAPI 3.

import type { Describer } from '../../api/description.ts';
import { equalJson } from '../../api/patch/plain.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { builtinResources, type Resource, type Subresource } from '../../api/resource.ts';
import { isTypeName } from '../../api/schema.ts';
import { returnsDeleted } from '../returns-deleted.ts';
import {
  answers,
  builtinForms,
  customForms,
  deleting,
  type Forms,
  meta,
  patching,
  pathParameter,
  pretty,
  queryOf,
  textAnswer,
  writing,
} from './operation.ts';
import { groupTitle, tagOf } from './roots.ts';
import type { Json } from './schema.ts';

export interface PathsOptions {
  readonly describe: Describer;
  /** The schema of a resource's kind: an OpenAPI name. */
  typeNameOf(resource: Resource): string;
  listNameOf(resource: Resource): string;
}

const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

interface GroupVersion {
  readonly group: string;
  readonly version: string;
}

/** What all paths of one resource share. */
interface Shared {
  readonly resource: Resource;
  readonly describe: Describer;
  readonly typeName: string;
  readonly listName: string;
  readonly custom: boolean;
  readonly forms: Forms;
  /** `/apis/apps/v1` */
  readonly base: string;
  /** Path of the collection within its namespace. */
  readonly collection: string;
  /** `AppsV1`: begins what follows the verb of an operation id. */
  readonly prefix: string;
  /** `NamespacedDeployment`: ends it. */
  readonly scoped: string;
  readonly name: Json;
  readonly namespace: readonly Json[];
  readonly listQuery: readonly Json[];
  operation(text: string, action: string, id: string, more: Json, kind?: string, gv?: GroupVersion): Json;
}

function sharedOf(resource: Resource, { describe, typeNameOf, listNameOf }: PathsOptions): Shared {
  const { group, version, kind, namespaced } = resource;
  const custom = !resource.typeName;
  const base = group ? `/apis/${group}/${version}` : `/api/${version}`;
  const tags = [tagOf(group, version)];
  return {
    resource,
    describe,
    typeName: typeNameOf(resource),
    listName: listNameOf(resource),
    custom,
    forms: custom ? customForms : builtinForms,
    base,
    collection: `${base}${namespaced ? '/namespaces/{namespace}' : ''}/${resource.resource}`,
    prefix: `${groupTitle(group)}${title(version)}`,
    scoped: `${namespaced ? 'Namespaced' : ''}${kind}`,
    name: pathParameter('name', `Name of the ${kind}.`),
    namespace: namespaced ? [pathParameter('namespace', 'Namespace the object lies in.')] : [],
    listQuery: queryOf(`${meta}ListOptions`, describe),
    operation: (text, action, operationId, more, ofKind = kind, gv = resource) => ({
      description: `${text} ${ofKind}`,
      tags,
      operationId,
      ...more,
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': { group: gv.group, kind: ofKind, version: gv.version },
    }),
  };
}

/** The paths of one resource and its subresources. */
export function pathsOf(resource: Resource, options: PathsOptions): Map<string, Json> {
  const shared = sharedOf(resource, options);
  const out = new Map<string, Json>();
  addCollection(out, shared);
  addObject(out, shared);
  for (const sub of resource.subresources.values()) {
    if (connecting.has(sub.name)) addConnection(out, shared, sub);
    else addSubresource(out, shared, sub);
  }
  if (resource.verbs.includes('watch') && !shared.custom) addWatches(out, shared);
  return new Map([...out].map(([path, item]) => [path, withShared(item)]));
}

export const methods = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch']);

/** What all operations of a path take lies with the path, all by name. */
function withShared({ parameters, ...item }: Json): Json {
  const operations = Object.entries(item as Record<string, Json>).filter(([key]) => methods.has(key));
  const own = operations.map(([, o]) => new Map(((o.parameters ?? []) as Json[]).map(p => [p.name, p])));
  const common = [...(own[0]?.values() ?? [])].filter(p => own.every(of => equalJson(of.get(p.name), p)));
  for (const p of common) for (const of of own) of.delete(p.name);
  const out: Json = { ...item, parameters: byName([...(parameters as Json[]), ...common]) };
  operations.forEach(([key, { parameters: _, ...operation }], i) => {
    out[key] = { ...operation, ...(own[i]!.size ? { parameters: byName([...own[i]!.values()]) } : {}) };
  });
  return out;
}

const byName = (parameters: Json[]): Json[] => parameters.sort((a, b) => (String(a.name) < String(b.name) ? -1 : 1));

const watchOnly = ['watch', 'allowWatchBookmarks'];

function addCollection(out: Map<string, Json>, shared: Shared): void {
  const { resource: r, describe, typeName, base, collection, prefix, scoped, listQuery, forms, operation } = shared;
  const listing = (id: string): Json =>
    operation('list or watch', 'list', id, {
      responses: answers(shared.listName, [200], [...forms.object, ...forms.stream]),
    });
  const item: Json = {};
  if (r.verbs.includes('list')) item.get = { ...listing(`list${prefix}${scoped}`), parameters: listQuery };
  if (r.verbs.includes('create')) {
    const more = writing('CreateOptions', typeName, describe, forms);
    item.post = operation('create', 'post', `create${prefix}${scoped}`, more);
  }
  if (r.verbs.includes('deletecollection')) {
    const id = `delete${prefix}Collection${scoped}`;
    item.delete = operation('delete a collection of', 'deletecollection', id, deletingAll(shared));
  }
  if (Object.keys(item).length) out.set(collection, { ...item, parameters: [...shared.namespace, pretty] });
  if (r.namespaced && r.verbs.includes('list'))
    out.set(`${base}/${r.resource}`, {
      get: listing(`list${prefix}${r.kind}ForAllNamespaces`),
      parameters: [...listQuery, pretty],
    });
}

function deletingAll({ describe, listQuery, custom, forms }: Shared): Json {
  const status = `${meta}Status`;
  if (custom) return { parameters: listQuery, responses: answers(status, [200], forms.object) };
  const query = [...queryOf(`${meta}DeleteOptions`, describe), ...queryOf(`${meta}ListOptions`, describe, watchOnly)];
  return deleting(status, [200], query, forms);
}

/** Of a custom resource one may read a version. */
function reading({ custom, listQuery, forms }: Shared, typeName: string): Json {
  const parameters = custom ? { parameters: listQuery.filter(p => p.name === 'resourceVersion') } : {};
  return { ...parameters, responses: answers(typeName, [200], forms.object) };
}

function addObject(out: Map<string, Json>, shared: Shared): void {
  const { resource: r, describe, typeName, collection, prefix, scoped, forms, operation } = shared;
  const item: Json = {};
  const id = `${prefix}${scoped}`;
  if (r.verbs.includes('get'))
    item.get = operation('read the specified', 'get', `read${id}`, reading(shared, typeName));
  if (r.verbs.includes('update')) {
    const more = writing('UpdateOptions', typeName, describe, forms);
    item.put = operation('replace the specified', 'put', `replace${id}`, more);
  }
  if (r.verbs.includes('patch')) {
    const more = patching(typeName, describe, forms);
    item.patch = operation('partially update the specified', 'patch', `patch${id}`, more);
  }
  if (r.verbs.includes('delete')) {
    const answer = returnsDeleted.has(`${r.group}/${r.resource}`) ? typeName : `${meta}Status`;
    const query = queryOf(`${meta}DeleteOptions`, describe);
    item.delete = operation('delete', 'delete', `delete${id}`, deleting(answer, [200, 202], query, forms));
  }
  if (Object.keys(item).length)
    out.set(`${collection}/{name}`, { ...item, parameters: [shared.name, ...shared.namespace, pretty] });
}

/** Group version and schema of what a subresource takes and answers with. */
function subresourceType({ resource: r, typeName }: Shared, sub: Subresource): GroupVersion & { typeName: string } {
  const apiVersion = sub.apiVersion ?? apiVersionOf(r);
  const slash = apiVersion.indexOf('/');
  return {
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    version: apiVersion.slice(slash + 1),
    typeName: sub.kind === r.kind ? typeName : (builtinResources().typeNameOf(apiVersion, sub.kind) ?? `${meta}Status`),
  };
}

const connecting = new Set(['exec', 'attach', 'portforward', 'proxy']);
const proxyMethods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

function addConnection(out: Map<string, Json>, shared: Shared, sub: Subresource): void {
  const { describe, collection, prefix, scoped, operation } = shared;
  const type = subresourceType(shared, sub);
  const query = isTypeName(type.typeName) ? queryOf(type.typeName, describe) : [];
  const proxy = sub.name === 'proxy';
  const itemOf = (parameters: readonly Json[], suffix: string): Json => {
    const item: Json = { parameters };
    for (const method of proxy ? proxyMethods : ['get', 'post']) {
      const id = `connect${prefix}${title(method)}${scoped}${title(sub.name)}${suffix}`;
      const text = `connect ${method.toUpperCase()} requests to ${sub.name} of`;
      item[method] = operation(text, 'connect', id, { responses: textAnswer(['*/*']) }, sub.kind, type);
    }
    return item;
  };
  const parameters = [shared.name, ...shared.namespace, ...query];
  const path = `${collection}/{name}/${sub.name}`;
  out.set(path, itemOf(parameters, ''));
  if (!proxy) return;
  const rest = pathParameter('path', 'Path of the request that is passed on.');
  out.set(`${path}/{path}`, itemOf([rest, ...parameters], 'WithPath'));
}

function addSubresource(out: Map<string, Json>, shared: Shared, sub: Subresource): void {
  const { describe, collection, prefix, scoped, forms, operation } = shared;
  const type = subresourceType(shared, sub);
  const id = `${prefix}${scoped}${title(sub.name)}`;
  // The scale of a custom resource goes by the name of the resource's own kind.
  const of: [kind: string, gv: GroupVersion] = shared.custom
    ? [shared.resource.kind, shared.resource]
    : [sub.kind, type];
  const make = (text: string, action: string, verb: string, more: Json) =>
    operation(text, action, `${verb}${id}`, more, ...of);
  const item: Json = { parameters: [shared.name, ...shared.namespace, pretty] };
  if (sub.verbs.includes('get')) {
    const log = {
      // A time is none of the types a query has.
      parameters: queryOf('io.k8s.api.core.v1.PodLogOptions', describe, ['sinceTime']),
      responses: textAnswer(['text/plain', ...forms.object]),
    };
    const more = sub.name === 'log' ? log : reading(shared, type.typeName);
    item.get = make(`read ${sub.name} of the specified`, 'get', 'read', more);
  }
  if (sub.verbs.includes('update')) {
    const more = writing('UpdateOptions', type.typeName, describe, forms);
    item.put = make(`replace ${sub.name} of the specified`, 'put', 'replace', more);
  }
  if (sub.verbs.includes('patch')) {
    const more = patching(type.typeName, describe, forms);
    item.patch = make(`partially update ${sub.name} of the specified`, 'patch', 'patch', more);
  }
  if (sub.verbs.includes('create')) {
    const more = writing('CreateOptions', type.typeName, describe, forms);
    item.post = make(`create ${sub.name} of`, 'post', 'create', more);
  }
  out.set(`${collection}/{name}/${sub.name}`, item);
}

// The older form of watches, a path of their own.
function addWatches(out: Map<string, Json>, shared: Shared): void {
  const { resource: r, base, collection, prefix, scoped, name, namespace, listQuery, forms, operation } = shared;
  const responses = answers(`${meta}WatchEvent`, [200], [...forms.object, ...forms.stream]);
  const lists = (id: string) => operation('watch individual changes to a list of', 'watchlist', id, { responses });
  const at = (path: string) => path.replace(base, `${base}/watch`);
  out.set(at(collection), {
    get: lists(`watch${prefix}${scoped}List`),
    parameters: [...namespace, ...listQuery, pretty],
  });
  out.set(at(`${collection}/{name}`), {
    get: operation('watch changes to an object of kind', 'watch', `watch${prefix}${scoped}`, { responses }),
    parameters: [name, ...namespace, ...listQuery, pretty],
  });
  if (r.namespaced)
    out.set(at(`${base}/${r.resource}`), {
      get: lists(`watch${prefix}${r.kind}ListForAllNamespaces`),
      parameters: [...listQuery, pretty],
    });
}
