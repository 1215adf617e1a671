// Which clients the kernel remembers for session affinity, so that a table that is made anew still knows them. Pure.
import { type Family, tableName, wordsOf } from './rule-set.ts';

interface ListedSet {
  readonly name: string;
  readonly table: string;
  readonly elem?: readonly (string | { readonly elem?: { readonly val?: unknown; readonly expires?: number } })[];
}

const clientsPerLine = 500;

/** Lines that bring back the clients of `sets`; `listed` is what `nft -j list sets` says. */
export function rememberedClients(family: Family, sets: ReadonlySet<string>, listed: string): string[] {
  const { nftables } = JSON.parse(listed) as { nftables: readonly { readonly set?: ListedSet }[] };
  return nftables.flatMap(({ set }) => {
    if (set?.table !== tableName || !sets.has(set.name)) return [];
    const clients = (set.elem ?? []).flatMap(e => {
      const { val, expires = 0 } = typeof e === 'string' ? {} : (e.elem ?? {});
      return typeof val === 'string' && expires > 0 ? [`${val} expires ${expires}s`] : [];
    });
    const lines: string[] = [];
    for (let i = 0; i < clients.length; i += clientsPerLine)
      lines.push(
        `add element ${wordsOf(family).table} ${tableName} ${set.name} { ${clients.slice(i, i + clientsPerLine).join(', ')} }`,
      );
    return lines;
  });
}
