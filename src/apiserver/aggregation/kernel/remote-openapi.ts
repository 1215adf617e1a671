// OpenAPI documents of aggregated servers, and what of them goes into this server's own.
type Json = Readonly<Record<string, unknown>>;

export interface RemoteOpenApi {
  /** `apis/wardle.example.com/v1alpha1`. */
  readonly id: string;
  /** Changes when the documents do. */
  readonly hash: string;
  /** Where its documents in version 3 are, by what they are of: groups and versions, also those no APIService names. */
  readonly urls: ReadonlyMap<string, string>;
  /** What its document in version 2 says of this group version. */
  readonly paths: ReadonlyMap<string, Json>;
  readonly definitions: ReadonlyMap<string, Json>;
}

/** What a server's list of its documents in version 3 says of groups. */
export function urlsOf(index: unknown): Map<string, string> {
  const { paths = {} } = (index ?? {}) as { paths?: Record<string, { serverRelativeURL?: unknown } | null> };
  return new Map(
    Object.entries(paths).flatMap(([path, entry]) => {
      const url = entry?.serverRelativeURL;
      return path.startsWith('apis/') && typeof url === 'string' ? [[path, url] as const] : [];
    }),
  );
}

const reference = /"#\/definitions\/([^"]+)"/g;

/** The paths of one group version, and all definitions but those only other paths need. */
export function partOf(id: string, document: unknown): Pick<RemoteOpenApi, 'paths' | 'definitions'> {
  const { paths = {}, definitions = {} } = document as {
    paths?: Record<string, Json>;
    definitions?: Record<string, Json>;
  };
  const isMine = (path: string) => path === `/${id}` || path.startsWith(`/${id}/`);
  const { mine = [], others = [] } = Object.groupBy(Object.entries(paths), ([p]) => (isMine(p) ? 'mine' : 'others'));
  const needed = reachable(mine, definitions);
  const foreign = reachable(others, definitions);
  const kept = Object.entries(definitions).filter(([name]) => needed.has(name) || !foreign.has(name));
  return { paths: new Map(mine), definitions: new Map(kept) };
}

/** Names of the definitions that paths refer to, and those to others. */
function reachable(
  paths: readonly (readonly [string, Json])[],
  definitions: Readonly<Record<string, Json>>,
): ReadonlySet<string> {
  const found = new Set<string>();
  const open: unknown[] = paths.map(([, item]) => item);
  for (let next = open.pop(); next; next = open.pop()) {
    for (const [, name] of JSON.stringify(next).matchAll(reference)) {
      if (found.has(name!) || !Object.hasOwn(definitions, name!)) continue;
      found.add(name!);
      open.push(definitions[name!]);
    }
  }
  return found;
}

/** Adds to `paths` and `definitions` what is not there yet. A definition that differs from one of the same name is renamed. */
export function mergeInto(paths: Map<string, Json>, definitions: Map<string, Json>, remote: RemoteOpenApi): void {
  const renamed = new Map<string, string>();
  for (const [name, definition] of remote.definitions) {
    let free = name;
    for (let n = 2; definitions.has(free) && !same(definitions.get(free), definition); n++) free = `${name}_v${n}`;
    if (free !== name) renamed.set(name, free);
  }
  const rename = <T>(value: T): T =>
    renamed.size === 0
      ? value
      : (JSON.parse(
          JSON.stringify(value).replace(reference, (whole, name) =>
            renamed.has(name) ? `"#/definitions/${renamed.get(name)}"` : whole,
          ),
        ) as T);
  for (const [name, definition] of remote.definitions) definitions.set(renamed.get(name) ?? name, rename(definition));
  for (const [path, item] of remote.paths) if (!paths.has(path)) paths.set(path, rename(item));
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
