// CustomResourceDefinitions for tests, and waiting until they are served.
import type { Caller, Json } from '../test-caller.ts';

export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

export interface TestVersion {
  readonly name?: string;
  readonly schema?: object;
  readonly served?: boolean;
  readonly storage?: boolean;
  readonly more?: object;
}

/** A namespaced kind `Widget` in a group of its own. */
export function definition(group: string, versions: readonly TestVersion[] = [{}], spec: object = {}): Json {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'], categories: ['all'] },
      versions: versions.map(({ name = 'v1', schema, served = true, storage = true, more = {} }) => ({
        name,
        served,
        storage,
        schema: { openAPIV3Schema: schema ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        ...more,
      })),
      ...spec,
    },
  };
}

export const isTrue = (crd: Json, type: string): boolean =>
  crd.status?.conditions?.some((c: Json) => c.type === type && c.status === 'True') ?? false;

/** Creates it and waits until it says it is served. */
export async function establish(call: Caller, crd: Json): Promise<Json> {
  await call.expect(201, 'POST', definitions, crd);
  return established(call, crd.metadata.name);
}

export async function established(call: Caller, name: string): Promise<Json> {
  const watching = await call.watch(`${definitions}?watch=1&fieldSelector=metadata.name=${name}`);
  const { object } = await watching.next(e => isTrue(e.object, 'Established'));
  watching.stop();
  return object;
}

export const widgets = (group: string, version = 'v1', namespace = 'default'): string =>
  `/apis/${group}/${version}/namespaces/${namespace}/widgets`;

export const widget = (group: string, name: string, more: object = {}, version = 'v1'): Json => ({
  apiVersion: `${group}/${version}`,
  kind: 'Widget',
  metadata: { name },
  ...more,
});

export const objectSchema = (properties: object, more: object = {}): Json => ({ type: 'object', properties, ...more });

export const specSchema = (properties: object, more: object = {}): Json =>
  objectSchema({ spec: objectSchema(properties, more) });

/** The definition of `things.example.com`, whose objects hold what they like. */
export const thingsDefinition: Json = {
  metadata: { name: 'things.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
