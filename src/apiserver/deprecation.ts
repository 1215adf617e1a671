// What clients of API versions on their way out are told.
import { apiVersionOf } from '../api/ref.ts';
import { type Resource, readFacts, resourceId } from '../api/resource.ts';

interface ResourceFact {
  readonly g: string;
  readonly v: string;
  readonly r: string;
  readonly life?: { readonly deprecated?: string; readonly removed?: string; readonly replacement?: string };
}

const minor = 36;
/** A version that is not stable is taken away this many releases after it is deprecated. */
const lastingMinors = 3;

const minorOf = (release: string): number => Number(release.split('.')[1]);

// Deprecated although there is no later version of the kind.
const known: readonly (readonly [id: string, since: string, use: string])[] = [
  ['/v1/componentstatuses', '1.19', ''],
  ['/v1/endpoints', '1.33', 'discovery.k8s.io/v1 EndpointSlice'],
];

interface Deprecation {
  readonly since: string;
  readonly removed: string;
  readonly use: string;
}

let deprecations: Map<string, Deprecation> | undefined;

function load(): Map<string, Deprecation> {
  const out = new Map<string, Deprecation>(known.map(([id, since, use]) => [id, { since, removed: '', use }]));
  for (const { g, v, r, life } of readFacts<{ resources: ResourceFact[] }>('resources.json').resources) {
    if (!life?.deprecated || minorOf(life.deprecated) > minor) continue;
    const [group, version, kind] = life.replacement?.split(',') ?? [];
    const stable = /^v\d+$/.test(v);
    out.set(resourceId({ group: g, version: v, resource: r }), {
      since: life.deprecated,
      removed: life.removed ?? (stable ? '' : `1.${minorOf(life.deprecated) + lastingMinors}`),
      use: version ? `${apiVersionOf({ group: group ?? '', version })} ${kind}` : '',
    });
  }
  return out;
}

/** The release that has it no more ('' when none is named) of a deprecated resource; undefined for others. */
export function removedRelease(resource: { group: string; version: string; resource: string }): string | undefined {
  deprecations ??= load();
  return deprecations.get(resourceId(resource))?.removed;
}

/** The warning every answer about a deprecated resource carries; undefined for others. */
export function deprecationWarning(resource: Resource): string | undefined {
  deprecations ??= load();
  const found = deprecations.get(resourceId(resource));
  if (!found) return undefined;
  const removed = found.removed ? `, unavailable in v${found.removed}+` : '';
  const use = found.use ? `; use ${found.use}` : '';
  return `${apiVersionOf(resource)} ${resource.kind} is deprecated in v${found.since}+${removed}${use}`;
}
