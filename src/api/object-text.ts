// The JSON of objects that have large parts in common, put together from the parts' JSON: four times as fast for a pod of
// 8 KB, most of which its template or its manager's fields make up.
import { jsonText } from '../base/json-text.ts';
import { partText, shortestText } from './canonical-part.ts';

type Plain = Record<string, unknown>;

// JSON.stringify writes the object with this in place of each part; no other string is likely to be just this.
const mark = '\u0001';
const written = JSON.stringify(mark);
// Whose items are looked into, not only taken as a whole.
const lists: ReadonlySet<string> = new Set(['containers', 'initContainers', 'managedFields', 'volumes']);
const mostItems = 16;
const deepest = 4;

/** The same as `jsonText`, in pieces: by turns text of its own and that of a part it shares with others. */
export function objectPieces(object: object): readonly string[] {
  const parts: string[] = [];
  const rest = jsonText(without(object as Plain, parts, 0));
  return parts.length ? (spliced(rest, parts) ?? [jsonText(object)]) : [rest];
}

export function joinedText(pieces: readonly string[]): string {
  let text = '';
  for (const piece of pieces) text += piece;
  return text;
}

/** `value` with marks in place of the parts it shares; itself when it has none. */
function without(value: Plain, parts: string[], depth: number): Plain {
  let copy: Plain | undefined;
  for (const key in value) {
    const child = value[key];
    if (typeof child !== 'object' || child === null) continue;
    const text = partText(child);
    let put: unknown = child;
    if (text !== undefined && text.length >= shortestText) {
      parts.push(text);
      put = mark;
    } else if (Array.isArray(child)) {
      if (lists.has(key) && child.length <= mostItems) put = itemsWithout(child, parts, depth + 1);
    } else if (depth < deepest && key !== 'fieldsV1') put = without(child as Plain, parts, depth + 1);
    if (put === child) continue;
    copy ??= { ...value };
    copy[key] = put;
  }
  return copy ?? value;
}

function itemsWithout(items: readonly unknown[], parts: string[], depth: number): readonly unknown[] {
  let copy: unknown[] | undefined;
  for (let i = 0; i < items.length; i++) {
    const item = items[i];
    if (typeof item !== 'object' || item === null || Array.isArray(item)) continue;
    const put = without(item as Plain, parts, depth);
    if (put === item) continue;
    copy ??= [...items];
    copy[i] = put;
  }
  return copy ?? items;
}

/** Undefined when the object itself has a string like the mark. */
function spliced(text: string, parts: readonly string[]): string[] | undefined {
  const pieces: string[] = [];
  let from = 0;
  for (const part of parts) {
    const at = text.indexOf(written, from);
    pieces.push(text.slice(from, at), part);
    from = at + written.length;
  }
  if (text.includes(written, from)) return undefined;
  pieces.push(text.slice(from));
  return pieces;
}
