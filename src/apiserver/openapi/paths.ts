// The operations of a resource, as OpenAPI 3 paths.
import type { Describer } from '../../api/description.ts';
import { builtinResources, type Resource, type Subresource } from '../../api/resource.ts';
import { isTypeName, schemaOf } from '../../api/schema.ts';
import type { Json } from './schema.ts';

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];
const streamTypes = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'];
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

export interface PathsOptions {
  readonly describe: Describer;
  /** The schema of a resource's kind: an OpenAPI name. */
  typeNameOf(resource: Resource): string;
}

const title = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** `rbac.authorization.k8s.io` is `RbacAuthorization`, the core group `Core`. */
function groupTitle(group: string): string {
  if (!group) return 'Core';
  return group
    .replace(/\.k8s\.io$/, '')
    .split(/[.-]/)
    .map(title)
    .join('');
}

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

const content = (name: string, types: readonly string[]): Json =>
  Object.fromEntries(types.map(t => [t, { schema: ref(name) }]));

const answers = (name: string, codes: readonly number[], types: readonly string[] = objectTypes): Json => ({
  ...Object.fromEntries(
    codes.map(c => [
      String(c),
      { description: { 200: 'OK', 201: 'Created', 202: 'Accepted' }[c], content: content(name, types) },
    ]),
  ),
  401: { description: 'Unauthorized' },
});

const textAnswer: Json = {
  200: { description: 'OK', content: { 'text/plain': { schema: { type: 'string' } } } },
  401: { description: 'Unauthorized' },
};

const pathParameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  description,
  required: true,
  schema: { type: 'string', uniqueItems: true },
});

const pretty: Json = {
  name: 'pretty',
  in: 'query',
  description: "Whether to indent the answer: 'true' or 'false'.",
  schema: { type: 'string', uniqueItems: true },
};

const queryTypes: Record<string, string> = { int32: 'integer', int64: 'integer', bool: 'boolean' };

/** The fields of an options type as query parameters. */
function queryOf(typeName: string, describe: Describer, leave: readonly string[] = []): Json[] {
  return schemaOf(typeName)
    .fields.filter(f => !['kind', 'apiVersion', 'preconditions', ...leave].includes(f.name))
    .map(f => {
      const type = f.type.kind === 'list' ? f.type.item : f.type;
      const scalar = type.kind === 'scalar' ? type.scalar : 'string';
      const description = describe.field(typeName, f.name);
      return {
        name: f.name,
        in: 'query',
        ...(description ? { description } : {}),
        schema: { type: queryTypes[scalar] ?? 'string', uniqueItems: true },
      };
    });
}

/** The paths of one resource and its subresources. */
export function pathsOf(r: Resource, options: PathsOptions): Map<string, Json> {
  const { describe } = options;
  const { verbs } = r;
  const base = r.group ? `/apis/${r.group}/${r.version}` : `/api/${r.version}`;
  const scope = r.namespaced ? 'Namespaced' : '';
  const prefix = `${groupTitle(r.group)}${title(r.version)}`;
  const tags = [`${prefix.slice(0, -r.version.length).replace(/^./, c => c.toLowerCase())}_${r.version}`];
  const typeName = options.typeNameOf(r);
  const listName = isTypeName(`${typeName}List`) || !isTypeName(typeName) ? `${typeName}List` : typeName;
  const namespace = r.namespaced ? [pathParameter('namespace', 'Namespace the object lies in.')] : [];
  const name = pathParameter('name', `Name of the ${r.kind}.`);
  const listQuery = queryOf(`${meta}ListOptions`, describe);
  const collection = `${base}${r.namespaced ? '/namespaces/{namespace}' : ''}/${r.resource}`;
  const out = new Map<string, Json>();

  const operation = (
    verb: string,
    action: string,
    id: string,
    more: Json,
    kind = r.kind,
    gv = r as GroupVersion,
  ): Json => ({
    description: `${verb} ${kind}`,
    tags,
    operationId: id,
    ...more,
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group: gv.group, kind, version: gv.version },
  });
  const write = (typeOfOptions: string, body: string) => ({
    parameters: queryOf(`${meta}${typeOfOptions}`, describe),
    requestBody: { content: content(body, ['*/*']), required: true },
  });
  const patch = (answer: string) => ({
    parameters: queryOf(`${meta}PatchOptions`, describe),
    requestBody: { content: content(`${meta}Patch`, patchTypes), required: true },
    responses: answers(answer, [200, 201]),
  });
  const remove = (answer: string) => ({
    parameters: queryOf(`${meta}DeleteOptions`, describe),
    requestBody: { content: content(`${meta}DeleteOptions`, ['*/*']) },
    responses: answers(answer, [200, 202]),
  });
  const listing = (verb: string, action: string, id: string): Json =>
    operation(verb, action, id, { responses: answers(listName, [200], [...objectTypes, ...streamTypes]) });

  const whole: Json = {};
  if (verbs.includes('list'))
    whole.get = { ...listing('list or watch', 'list', `list${prefix}${scope}${r.kind}`), parameters: listQuery };
  if (verbs.includes('create'))
    whole.post = operation('create', 'post', `create${prefix}${scope}${r.kind}`, {
      ...write('CreateOptions', typeName),
      responses: answers(typeName, [200, 201, 202]),
    });
  if (verbs.includes('deletecollection'))
    whole.delete = operation(
      'delete a collection of',
      'deletecollection',
      `delete${prefix}Collection${scope}${r.kind}`,
      {
        parameters: [
          ...queryOf(`${meta}DeleteOptions`, describe),
          ...queryOf(`${meta}ListOptions`, describe, watchOnly),
        ],
        requestBody: { content: content(`${meta}DeleteOptions`, ['*/*']) },
        responses: answers(`${meta}Status`, [200]),
      },
    );
  if (Object.keys(whole).length) out.set(collection, { ...whole, parameters: [...namespace, pretty] });
  if (r.namespaced && verbs.includes('list'))
    out.set(`${base}/${r.resource}`, {
      get: listing('list or watch', 'list', `list${prefix}${r.kind}ForAllNamespaces`),
      parameters: [...listQuery, pretty],
    });

  const one: Json = {};
  if (verbs.includes('get'))
    one.get = operation('read the specified', 'get', `read${prefix}${scope}${r.kind}`, {
      responses: answers(typeName, [200]),
    });
  if (verbs.includes('update'))
    one.put = operation('replace the specified', 'put', `replace${prefix}${scope}${r.kind}`, {
      ...write('UpdateOptions', typeName),
      responses: answers(typeName, [200, 201]),
    });
  if (verbs.includes('patch'))
    one.patch = operation(
      'partially update the specified',
      'patch',
      `patch${prefix}${scope}${r.kind}`,
      patch(typeName),
    );
  if (verbs.includes('delete'))
    one.delete = operation(
      'delete',
      'delete',
      `delete${prefix}${scope}${r.kind}`,
      remove(returnsDeleted.has(`${r.group}/${r.resource}`) ? typeName : `${meta}Status`),
    );
  if (Object.keys(one).length) out.set(`${collection}/{name}`, { ...one, parameters: [name, ...namespace, pretty] });

  for (const sub of r.subresources.values()) addSubresource(sub);
  if (verbs.includes('watch')) addWatches();
  return out;

  function addSubresource(sub: Subresource): void {
    const [group, version] = sub.apiVersion ? splitVersion(sub.apiVersion) : [r.group, r.version];
    const subType =
      sub.kind === r.kind
        ? typeName
        : (builtinResources().typeNameOf(sub.apiVersion ?? (group ? `${group}/${version}` : version), sub.kind) ??
          `${meta}Status`);
    const path = `${collection}/{name}/${sub.name}`;
    const suffix = `${scope}${r.kind}${title(sub.name)}`;
    const parameters = [name, ...namespace];
    if (connecting.has(sub.name)) {
      const item: Json = { parameters: [...parameters, ...(isTypeName(subType) ? queryOf(subType, describe) : [])] };
      for (const method of sub.name === 'proxy' ? proxyMethods : ['get', 'post'])
        item[method] = operation(
          `connect ${method.toUpperCase()} requests to ${sub.name} of`,
          'connect',
          `connect${prefix}${title(method)}${suffix}`,
          { responses: textAnswer },
          sub.kind,
          { group, version },
        );
      out.set(path, item);
      if (sub.name === 'proxy') {
        const below = Object.fromEntries(
          Object.entries(item).map(([k, v]) => [
            k,
            k === 'parameters' ? v : { ...(v as Json), operationId: `${(v as Json).operationId}WithPath` },
          ]),
        );
        out.set(`${path}/{path}`, {
          ...below,
          parameters: [pathParameter('path', 'Path of the request that is passed on.'), ...(item.parameters as Json[])],
        });
      }
      return;
    }
    const at = { group, version };
    const item: Json = { parameters: [...parameters, pretty] };
    if (sub.verbs.includes('get'))
      item.get =
        sub.name === 'log'
          ? operation('read log of the specified', 'get', `read${prefix}${suffix}`, {
              parameters: queryOf('io.k8s.api.core.v1.PodLogOptions', describe),
              responses: textAnswer,
            })
          : operation(
              `read ${sub.name} of the specified`,
              'get',
              `read${prefix}${suffix}`,
              { responses: answers(subType, [200]) },
              sub.kind,
              at,
            );
    if (sub.verbs.includes('update'))
      item.put = operation(
        `replace ${sub.name} of the specified`,
        'put',
        `replace${prefix}${suffix}`,
        { ...write('UpdateOptions', subType), responses: answers(subType, [200, 201]) },
        sub.kind,
        at,
      );
    if (sub.verbs.includes('patch'))
      item.patch = operation(
        `partially update ${sub.name} of the specified`,
        'patch',
        `patch${prefix}${suffix}`,
        patch(subType),
        sub.kind,
        at,
      );
    if (sub.verbs.includes('create'))
      item.post = operation(
        `create ${sub.name} of`,
        'post',
        `create${prefix}${suffix}`,
        { ...write('CreateOptions', subType), responses: answers(subType, [200, 201, 202]) },
        sub.kind,
        at,
      );
    out.set(path, item);
  }

  // The older form of watches, a path of their own.
  function addWatches(): void {
    const responses = answers(`${meta}WatchEvent`, [200], [...objectTypes, ...streamTypes]);
    const watch = (action: string, id: string) =>
      operation(
        action === 'watch' ? 'watch changes to an object of kind' : 'watch individual changes to a list of',
        action,
        id,
        {
          responses,
        },
      );
    const at = (path: string) => path.replace(base, `${base}/watch`);
    out.set(at(collection), {
      get: watch('watchlist', `watch${prefix}${scope}${r.kind}List`),
      parameters: [...namespace, ...listQuery, pretty],
    });
    out.set(at(`${collection}/{name}`), {
      get: watch('watch', `watch${prefix}${scope}${r.kind}`),
      parameters: [name, ...namespace, ...listQuery, pretty],
    });
    if (r.namespaced)
      out.set(at(`${base}/${r.resource}`), {
        get: watch('watchlist', `watch${prefix}${r.kind}ListForAllNamespaces`),
        parameters: [...listQuery, pretty],
      });
  }
}

type GroupVersion = { readonly group: string; readonly version: string };

const watchOnly = ['watch', 'allowWatchBookmarks'];
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy']);
const proxyMethods = ['get', 'put', 'post', 'delete', 'options', 'head', 'patch'];

// Kinds whose delete answers with the object.
const returnsDeleted = new Set([
  '/pods',
  '/services',
  '/serviceaccounts',
  '/persistentvolumes',
  '/persistentvolumeclaims',
  '/podtemplates',
  '/resourcequotas',
]);

function splitVersion(apiVersion: string): [group: string, version: string] {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)];
}
