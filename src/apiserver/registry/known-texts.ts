// Lists and sets that many stored objects have, known by their text: what was met before is not parsed again.
import { parseExactJson } from '../../base/whole-number.ts';

type Plain = Record<string, unknown>;

interface Known {
  readonly text: string;
  readonly value: object;
}

// What repeats in the objects of one template, and is most of their text.
type Field = 'fieldsV1' | 'env';
const openings: Readonly<Record<Field, string>> = { fieldsV1: '"fieldsV1":{', env: '"env":[' };
const shortest = 256;
const longest = 16 << 10;
const mostKnown = 32;

/** Parses canonical JSON of stored objects. Values it has given out belong to many: never to be changed. */
export class KnownTexts {
  /** The newest first. */
  readonly #known = { fieldsV1: [] as Known[], env: [] as Known[] } satisfies Record<Field, Known[]>;
  readonly #values = new WeakSet<object>();
  #missed = false;

  /** Like parseExactJson. */
  parse(text: string): unknown {
    this.#missed = false;
    const cuts = [...this.#cuts(text, 'fieldsV1'), ...this.#cuts(text, 'env')].sort((a, b) => a.at - b.at);
    if (cuts.length === 0) return parseExactJson(text);
    const values: object[] = [];
    let rest = '';
    let from = 0;
    for (const { at, known } of cuts) {
      // Within one that is left out already.
      if (at < from) continue;
      rest += text.slice(from, at) + values.length;
      from = at + known.text.length;
      values.push(known.value);
    }
    const parsed = parseExactJson(rest + text.slice(from));
    return putBack(parsed, values) ? parsed : parseExactJson(text);
  }

  /** After a parse that met something unknown: what `object` has of it now is known from here on. */
  learn(object: unknown): void {
    if (!this.#missed) return;
    this.#missed = false;
    this.#look(object);
  }

  #cuts(text: string, field: Field): { at: number; known: Known }[] {
    const opening = openings[field];
    const found: { at: number; known: Known }[] = [];
    let at = text.indexOf(opening);
    while (at >= 0) {
      const begin = at + opening.length - 1;
      const known = this.#find(text, begin, field);
      if (known) found.push({ at: begin, known });
      else this.#missed = true;
      at = text.indexOf(opening, known ? begin + known.text.length : begin);
    }
    return found;
  }

  // The text of one object or list is never the beginning of another's.
  #find(text: string, at: number, field: Field): Known | undefined {
    const list = this.#known[field];
    const i = list.findIndex(({ text: known }) => text.slice(at, at + known.length) === known);
    if (i <= 0) return list[i];
    const [found] = list.splice(i, 1);
    list.unshift(found!);
    return found;
  }

  #look(value: unknown): void {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) {
      for (const item of value) this.#look(item);
      return;
    }
    for (const key in value) {
      const inner = (value as Plain)[key];
      if (isKnownField(key) && typeof inner === 'object' && inner !== null) this.#note(key, inner);
      else this.#look(inner);
    }
  }

  #note(field: Field, value: object): void {
    if (this.#values.has(value)) return;
    const text = JSON.stringify(value);
    if (text.length < shortest || text.length > longest) return;
    const list = this.#known[field];
    list.unshift({ text, value });
    this.#values.add(value);
    if (list.length > mostKnown) this.#values.delete(list.pop()!.value);
  }
}

/** Puts `values` where their numbers stand; false when some number stands there that is none of ours, or one is missing. */
function putBack(parsed: unknown, values: readonly object[]): boolean {
  const missing = new Set(values.keys());
  return walk(parsed) && missing.size === 0;

  function walk(value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return true;
    if (Array.isArray(value)) return value.every(walk);
    const fields = value as Plain;
    for (const key in fields) {
      const inner = fields[key];
      if (isKnownField(key) && typeof inner === 'number') {
        if (!missing.delete(inner)) return false;
        fields[key] = values[inner];
      } else if (!walk(inner)) return false;
    }
    return true;
  }
}

const isKnownField = (key: string): key is Field => key === 'fieldsV1' || key === 'env';
