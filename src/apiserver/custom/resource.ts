// The resources of a CustomResourceDefinition: one record a served version, and the group they lie in.
import type { Group, Resource, Subresource } from '../../api/resource.ts';
import { parseJsonPath } from '../../api/structural/json-path.ts';
import type { CustomResourceDefinition } from '../../api/type/apiextensions-v1.ts';
import type { Converter } from './conversion.ts';
import { createForm, type ServedForm } from './form.ts';

export interface CustomResource extends Resource {
  readonly custom: ServedForm;
}

const verbs = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch'];
const dyingVerbs = verbs.filter(v => v !== 'create');
const subVerbs = ['get', 'patch', 'update'];

export const storagePrefixOf = ({ spec }: CustomResourceDefinition): string =>
  `/registry/${spec.group}/${spec.names.plural}`;

/** Those that are served. */
export function resourcesOf(definition: CustomResourceDefinition, converter: Converter): CustomResource[] {
  return recordsOf(definition, converter, v => v.served);
}

/** That of the version objects are stored in, served or not. */
export function storedResourceOf(definition: CustomResourceDefinition, converter: Converter): CustomResource {
  return recordsOf(definition, converter, v => v.name === storageVersionOf(definition))[0]!;
}

const storageVersionOf = ({ spec }: CustomResourceDefinition): string =>
  spec.versions.find(v => v.storage)?.name ?? spec.versions[0]!.name;

function recordsOf(
  definition: CustomResourceDefinition,
  converter: Converter,
  which: (version: CustomResourceDefinition['spec']['versions'][number]) => boolean,
): CustomResource[] {
  const { spec, status, metadata } = definition;
  const names = { ...spec.names, ...status?.acceptedNames };
  const stored = storageVersionOf(definition);
  const dying = metadata.deletionTimestamp !== undefined;
  return spec.versions.filter(which).map(version => {
    const subresources = new Map<string, Subresource>();
    if (version.subresources?.status) subresources.set('status', { name: 'status', kind: names.kind, verbs: subVerbs });
    if (version.subresources?.scale)
      subresources.set('scale', { name: 'scale', kind: 'Scale', apiVersion: 'autoscaling/v1', verbs: subVerbs });
    return {
      group: spec.group,
      version: version.name,
      resource: names.plural,
      kind: names.kind,
      namespaced: spec.scope === 'Namespaced',
      singular: names.singular ?? '',
      shortNames: names.shortNames ?? [],
      categories: names.categories ?? [],
      verbs: dying ? dyingVerbs : verbs,
      subresources,
      hasStatus: version.subresources?.status !== undefined,
      typeName: '',
      storagePrefix: storagePrefixOf(definition),
      storedAs: `${spec.group}/${stored}`,
      fieldSelectors: new Map(
        (version.selectableFields ?? []).map(({ jsonPath }) => {
          const path = parseJsonPath(jsonPath).fields?.join('.') ?? jsonPath.replace(/^\./, '');
          return [path, path] as const;
        }),
      ),
      onByDefault: true,
      custom: createForm({ definition, version, converter }),
    };
  });
}

/** Stable versions first, then beta, then alpha; of each kind the higher first; other names last, by name. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [rank(a), rank(b)];
  if (!x || !y) return x ? -1 : y ? 1 : a < b ? -1 : a > b ? 1 : 0;
  for (let i = 0; i < 3; i++) if (x[i] !== y[i]) return y[i]! - x[i]!;
  return 0;
}

const stages: Readonly<Record<string, number>> = { alpha: 0, beta: 1, '': 2 };

function rank(version: string): [stage: number, major: number, minor: number] | undefined {
  const m = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version);
  return m ? [stages[m[2] ?? '']!, Number(m[1]), Number(m[3] ?? 0)] : undefined;
}

export function groupOf(name: string, versions: Iterable<string>): Group {
  const sorted = [...new Set(versions)].sort(compareVersions);
  return {
    name,
    preferredVersion: sorted[0] ?? '',
    priority: 1000,
    versions: sorted.map((version, i) => ({ version, onByDefault: true, priority: 100 - i })),
  };
}
