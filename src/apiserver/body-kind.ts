// What a body says it is, beside what it is to be: told as Go's registry of types tells it.
import { jsonKind, textOf } from '../api/patch/plain.ts';
import { apiVersionOf } from '../api/ref.ts';
import { builtinResources } from '../api/resource.ts';
import { quote } from '../base/quote.ts';

/** Where that registry was made, which it tells. */
export const scheme = 'in scheme "pkg/runtime/scheme.go:111"';

/** `no kind "Foo" is registered for version "v1" in scheme "…"`. */
export const notRegistered = (kind: string, apiVersion: string): string =>
  `no kind ${quote(kind)} is registered for version ${quote(apiVersion)} ${scheme}`;

/** Why neither kind nor apiVersion of a body can be read; undefined when both can. */
export function unreadableKind({ kind, apiVersion }: { kind?: unknown; apiVersion?: unknown }): string | undefined {
  for (const [field, value] of Object.entries({ kind, apiVersion })) {
    if (value === undefined || value === null || typeof value === 'string') continue;
    const why = `json: cannot unmarshal ${jsonKind(value)} into Go struct field .${field} of type string`;
    return `couldn't get version/kind; json parse error: ${why}`;
  }
  if (textOf(apiVersion).split('/').length > 2) return `unexpected GroupVersion string: ${textOf(apiVersion)}`;
  return undefined;
}

/** Group and version as Go takes them apart: `/` is neither. */
export function groupVersionOf(apiVersion: string): { readonly group: string; readonly version: string } {
  const [group = '', version] = apiVersion.split('/');
  return version === undefined ? { group: '', version: group } : { group, version };
}

/** An apiVersion as Go writes it again. */
export function plainVersion(apiVersion: string): string {
  const { group, version } = groupVersionOf(apiVersion);
  return group ? `${group}/${version}` : version;
}

/** What a body is to be. */
interface Wanted {
  readonly group: string;
  readonly kind: string;
}

/** Why what these name is not of the target's kind; undefined when it is, if of another version. */
export function otherKind(kind: string, apiVersion: string, target: Wanted): string | undefined {
  const { group, version } = groupVersionOf(apiVersion);
  const plain = plainVersion(apiVersion);
  const wanted = `${packageOf(target.group, target.kind)}.${target.kind}`;
  if (!isRegistered(kind, group, plain)) return notRegistered(kind, plain);
  const itself = kind === target.kind && `${packageOf(group, kind)}.${kind}` === wanted;
  return itself
    ? undefined
    : `converting (${unversioned.has(kind) ? 'v1' : version}.${kind}) to (${wanted}): unknown conversion`;
}

const packages: Readonly<Record<string, string>> = { '': 'core', 'internal.apiserver.k8s.io': 'apiserverinternal' };

// Events of both groups are one type within.
const packageOf = (group: string, kind: string): string =>
  kind === 'Event' ? 'core' : (packages[group] ?? group.split('.', 1)[0]!);

// Of every version of every group.
const ofAll = new Set([
  ...['CreateOptions', 'DeleteOptions', 'GetOptions', 'ListOptions', 'PatchOptions', 'UpdateOptions', 'WatchEvent'],
]);
const unversioned = new Set(['APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'Status']);

function isRegistered(kind: string, group: string, apiVersion: string): boolean {
  if (unversioned.has(kind)) return true;
  const table = builtinResources();
  if (table.byKind(apiVersion, kind) || table.typeNameOf(apiVersion, kind)) return true;
  const known = table.resources.some(r => r.group === group && apiVersionOf(r) === apiVersion);
  if (known && ofAll.has(kind)) return true;
  return (
    kind.endsWith('List') &&
    (kind === 'List' ? apiVersion === 'v1' : isRegistered(kind.slice(0, -4), group, apiVersion))
  );
}
