// The kinds that requests are about: the built-in ones and the custom ones of `custom-kinds.ts`.
import { builtinResources, type Resource, type Subresource } from '../../src/api/resource.ts';
import type { Chance } from './chance.ts';
import { anyValue } from './chance.ts';
import { customGroup, definitions, oddDefinition, oddPlurals, widgetSpec } from './custom-kinds.ts';
import { policed, validObject } from './valid-objects.ts';

/** What a request is about. */
export type AskedKind = Pick<Resource, 'group' | 'version' | 'resource' | 'kind' | 'namespaced' | 'typeName'> & {
  readonly subresources: ReadonlyMap<string, Subresource>;
  readonly resourceRow: Resource | undefined;
};

const subresources = new Map<string, Subresource>([
  ['status', { name: 'status', kind: '', verbs: [] }],
  ['scale', { name: 'scale', kind: 'Scale', apiVersion: 'autoscaling/v1', verbs: [] }],
]);
const custom = (plural: string, kind: string, namespaced: boolean, version = 'v1'): AskedKind => ({
  ...{
    group: customGroup,
    version,
    resource: plural,
    kind,
    namespaced,
    typeName: '',
    subresources,
    resourceRow: undefined,
  },
});

const builtin: readonly AskedKind[] = builtinResources()
  .resources.filter(r => r.onByDefault)
  .map(r => ({ ...r, resourceRow: r }));
const customKinds: readonly AskedKind[] = [
  ...definitions.map(d => custom(d.spec.names.plural, d.spec.names.kind, d.spec.scope === 'Namespaced')),
  custom('widgets', 'Widget', true, 'v2'),
  ...oddPlurals.map(p => custom(p, p[0]!.toUpperCase() + p.slice(1, -1), p !== 'ones')),
];
const programmed = builtin.filter(r =>
  ['admissionregistration.k8s.io', 'apiextensions.k8s.io', 'resource.k8s.io', 'authorization.k8s.io'].includes(r.group),
);

export const askedKind = (c: Chance): AskedKind => c.pick(c.once(6) ? customKinds : c.once(6) ? programmed : builtin);

/** Of a kind's group and version. */
export const apiVersionOf = ({ group, version }: AskedKind): string => (group ? `${group}/${version}` : version);

const apart = new Set(['resourcequotas', 'limitranges']);

/** The namespace a request is made in. */
export const namespaceOf = (c: Chance, { resource }: AskedKind): string =>
  apart.has(resource) || c.once(6) ? policed : c.once(30) ? 'none' : 'default';

const names = ['one', 'two', 'three', 'four', 'five'];

export const nameOf = (c: Chance, { group, resource }: AskedKind): string =>
  resource === 'customresourcedefinitions'
    ? `${c.pick(oddPlurals)}.${customGroup}`
    : resource === 'apiservices'
      ? `v1.${c.pick(names)}.example.com`
      : resource === 'ipaddresses'
        ? `192.0.2.${1 + c.below(5)}`
        : group === customGroup
          ? c.pick(['one', 'two', 'three'])
          : c.pick(names);

/** An object of the kind that is valid, or of an odd schema. */
export function goodObject(c: Chance, kind: AskedKind, subresource: string, name: string): any {
  if (kind.resource === 'customresourcedefinitions') return oddDefinition(c, name.split('.')[0]!);
  const sub = kind.subresources.get(subresource);
  const subKind = sub && sub.kind !== kind.kind ? sub.kind : '';
  if (kind.group !== customGroup || subKind) {
    const { group, version, resource } = kind;
    return validObject(c, `${group}/${version}/${resource}`, subKind, name);
  }
  const labels = c.once(2) ? { app: 'a' } : {};
  const status = { replicas: c.below(9), selector: c.pick(['a=b', '', '(']), conditions: [{ type: 'A' }] };
  if (kind.resource === 'widgets') return { metadata: { labels }, spec: widgetSpec(c), status };
  return { metadata: { labels }, a: anyValue(c), b: anyValue(c), spec: anyValue(c), ...(c.once(2) ? { status } : {}) };
}
