// All contributions to one table, and the smallest transaction from what the kernel has to what it should have. Pure.
import { type Contribution, type Family, nothing, tableName, wordsOf } from './rule-set.ts';

type Kind = 'element' | 'chain' | 'set';

interface Item {
  readonly kind: Kind;
  /** Name of the set for elements, else ''. */
  readonly set: string;
  /** Key of an element, or name. */
  readonly name: string;
  /** Data of an element, rules of a chain, declaration of a set: as text. */
  readonly value: string;
}

interface Claim {
  readonly owner: string;
  readonly item: Item;
}

const ruleSeparator = '\n';
const elementsPerLine = 500;

export interface Changes {
  /** Lines for nft; none when nothing is to do. */
  readonly lines: readonly string[];
  /** What is there afterwards; undefined: gone. */
  readonly after: ReadonlyMap<string, Item | undefined>;
}

/**
 * Two services may claim one address and port; the first by name has it until it lets go, then the other. What several
 * services add in the same words is there once and goes with the last.
 */
export class RuleTable {
  readonly #at: string;
  readonly #owners = new Map<string, ReadonlyMap<string, Item>>();
  readonly #claims = new Map<string, Claim[]>();
  readonly #applied = new Map<string, Item>();
  readonly #touched = new Set<string>();

  constructor(family: Family) {
    this.#at = `${wordsOf(family).table} ${tableName}`;
  }

  get size(): number {
    return this.#claims.size;
  }

  set(owner: string, contribution: Contribution = nothing): void {
    const old = this.#owners.get(owner);
    const items = itemsOf(contribution);
    for (const [id, item] of items) {
      if (old?.get(id)?.value === item.value) continue;
      this.#unclaim(id, owner);
      this.#claim(id, { owner, item });
    }
    if (old) for (const id of old.keys()) if (!items.has(id)) this.#unclaim(id, owner);
    if (items.size > 0) this.#owners.set(owner, items);
    else this.#owners.delete(owner);
  }

  /** From what was applied last to what is wanted now; `commit` says that the kernel took them. */
  changes(): Changes {
    const after = new Map<string, Item | undefined>();
    for (const id of this.#touched) {
      const want = this.#claims.get(id)?.[0]?.item;
      if (want?.value !== this.#applied.get(id)?.value || Boolean(want) !== this.#applied.has(id)) after.set(id, want);
    }
    return { lines: this.#script(after), after };
  }

  commit(changes: Changes): void {
    for (const [id, item] of changes.after) {
      if (item) this.#applied.set(id, item);
      else this.#applied.delete(id);
      const want = this.#claims.get(id)?.[0]?.item;
      if (want?.value === item?.value && Boolean(want) === Boolean(item)) this.#touched.delete(id);
    }
    // Touched and changed back before anything was applied.
    for (const id of this.#touched) {
      const want = this.#claims.get(id)?.[0]?.item;
      if (want?.value === this.#applied.get(id)?.value && Boolean(want) === this.#applied.has(id))
        this.#touched.delete(id);
    }
  }

  /** Everything, for a table that has been made anew in the same transaction. */
  rebuild(): Changes {
    this.#applied.clear();
    for (const id of this.#claims.keys()) this.#touched.add(id);
    return this.changes();
  }

  /** What the kernel has, for comparison: `set key` or `chain name` to value. */
  applied(): Map<string, string> {
    return new Map([...this.#applied].map(([id, item]) => [id, item.value]));
  }

  #claim(id: string, claim: Claim): void {
    const claims = this.#claims.get(id);
    if (!claims) this.#claims.set(id, [claim]);
    else {
      claims.splice(positionOf(claims, claim.owner), 0, claim);
    }
    this.#touched.add(id);
  }

  #unclaim(id: string, owner: string): void {
    const claims = this.#claims.get(id);
    if (!claims) return;
    const at = positionOf(claims, owner);
    if (claims[at]?.owner !== owner) return;
    claims.splice(at, 1);
    if (claims.length === 0) this.#claims.delete(id);
    this.#touched.add(id);
  }

  #script(after: ReadonlyMap<string, Item | undefined>): string[] {
    const s = new Script(this.#at);
    for (const [id, want] of after) {
      const have = this.#applied.get(id);
      if (have) s.remove(have, want !== undefined);
      if (want) s.add(want, have !== undefined);
    }
    return s.lines();
  }
}

/** Where the owner's claim is or belongs; a chain may have thousands of owners. */
function positionOf(claims: readonly Claim[], owner: string): number {
  let [low, high] = [0, claims.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (claims[middle]!.owner < owner) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Collects commands in the order that references need. */
class Script {
  readonly #at: string;
  readonly #made: string[] = [];
  readonly #rules: string[] = [];
  readonly #gone = new Map<string, string[]>();
  readonly #new = new Map<string, string[]>();
  readonly #flushed: string[] = [];
  readonly #deleted: string[] = [];

  constructor(at: string) {
    this.#at = at;
  }

  add({ kind, set, name, value }: Item, existed: boolean): void {
    if (kind === 'set') this.#made.push(`add set ${this.#at} ${name} { ${value} }`);
    else if (kind === 'element') push(this.#new, set, value ? `${name} : ${value}` : name);
    else {
      if (existed) this.#rules.push(`flush chain ${this.#at} ${name}`);
      else this.#made.push(`add chain ${this.#at} ${name}`);
      for (const rule of value.split(ruleSeparator)) if (rule) this.#rules.push(`add rule ${this.#at} ${name} ${rule}`);
    }
  }

  remove({ kind, set, name }: Item, comesBack: boolean): void {
    if (kind === 'element') push(this.#gone, set, name);
    else if (comesBack) return;
    else if (kind === 'chain') {
      this.#flushed.push(`flush chain ${this.#at} ${name}`);
      this.#deleted.unshift(`delete chain ${this.#at} ${name}`);
    } else this.#deleted.push(`delete set ${this.#at} ${name}`);
  }

  lines(): string[] {
    return [
      ...this.#made,
      ...this.#rules,
      ...elementLines(`delete element ${this.#at}`, this.#gone),
      ...elementLines(`add element ${this.#at}`, this.#new),
      ...this.#flushed,
      ...this.#deleted,
    ];
  }
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function elementLines(command: string, sets: ReadonlyMap<string, readonly string[]>): string[] {
  return [...sets].flatMap(([set, elements]) => {
    const lines: string[] = [];
    for (let i = 0; i < elements.length; i += elementsPerLine)
      lines.push(`${command} ${set} { ${elements.slice(i, i + elementsPerLine).join(', ')} }`);
    return lines;
  });
}

function itemsOf({ elements, chains, sets }: Contribution): Map<string, Item> {
  const items = new Map<string, Item>();
  for (const { set, key, data = '' } of elements)
    items.set(`${set} ${key}`, { kind: 'element', set, name: key, value: data });
  for (const { name, rules } of chains)
    items.set(`chain ${name}`, { kind: 'chain', set: '', name, value: rules.join(ruleSeparator) });
  for (const { name, declaration } of sets)
    items.set(`set ${name}`, { kind: 'set', set: '', name, value: declaration });
  return items;
}

/** Several contributions as one. */
export function merge(list: readonly Contribution[]): Contribution {
  return {
    elements: list.flatMap(c => c.elements),
    chains: list.flatMap(c => c.chains),
    sets: list.flatMap(c => c.sets),
  };
}
