// Changes to bytes, texts and JSON values that keep most of what makes them be read.
import { anyValue, type Chance, oddNumbers, oddTexts } from './chance.ts';

/** One to eight small changes. */
export function mutateBytes(c: Chance, given: Uint8Array): Buffer {
  let bytes: Buffer = Buffer.from(given);
  for (let i = c.below(8); i >= 0; i--) bytes = changeBytes(c, bytes);
  return bytes;
}

function changeBytes(c: Chance, bytes: Buffer): Buffer {
  const at = c.below(bytes.length + 1);
  const to = Math.min(bytes.length, at + 1 + c.below(16));
  switch (c.below(7)) {
    case 0:
      if (at < bytes.length) bytes[at]! ^= 1 << c.below(8);
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = c.pick([0, 1, 0x7f, 0x80, 0xff, 0x22, 0x5b, 0x7b, c.below(256)]);
      return bytes;
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at, to), bytes.subarray(at)]);
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return Buffer.concat([bytes.subarray(0, at), Buffer.from(c.pick(oddTexts)), bytes.subarray(at)]);
    default:
      // A length or a tag that says much more than there is.
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(c.below(10) + 1, 0xff), bytes.subarray(at)]);
  }
}

export const mutateText = (c: Chance, text: string): string => mutateBytes(c, Buffer.from(text)).toString('utf8');

/** Parts of two texts of a language, joined; or one with a word of it put in somewhere. */
export function crossTexts(c: Chance, corpus: readonly string[], words: readonly string[]): string {
  let text = c.pick(corpus);
  for (let i = c.below(4); i > 0; i--) {
    const at = c.below(text.length + 1);
    if (c.once(3)) text = text.slice(0, at) + c.pick(corpus).slice(c.below(20));
    else if (c.once(2)) text = text.slice(0, at) + c.pick(words) + text.slice(at);
    else text = text.slice(0, at) + c.pick(words) + text.slice(Math.min(text.length, at + c.below(6)));
  }
  return c.once(3) ? mutateText(c, text) : text;
}

// Is in no document.
const rootKey = '\0root';

/** A copy with one to four values replaced, removed, added or repeated. */
export function mutateJson(c: Chance, value: unknown): unknown {
  const root = { [rootKey]: structuredClone(value) };
  for (let i = c.below(4); i >= 0; i--) {
    const places: [holder: Record<string, unknown>, key: string][] = [];
    collect(root as never, places);
    const [holder, key] = c.pick(places);
    changeJson(c, holder, key);
  }
  return root[rootKey];
}

function collect(holder: Record<string, unknown>, into: [Record<string, unknown>, string][]): void {
  for (const key of Object.keys(holder)) {
    into.push([holder, key]);
    const child = holder[key];
    if (typeof child === 'object' && child !== null) collect(child as never, into);
  }
}

function changeJson(c: Chance, holder: Record<string, unknown>, key: string): void {
  const value = holder[key];
  switch (c.below(8)) {
    case 0:
      if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else if (key !== rootKey) delete holder[key];
      return;
    case 1:
      holder[key] = null;
      return;
    case 2:
      holder[key] = typeof value === 'number' ? c.pick(oddNumbers) : c.pick(oddTexts);
      return;
    case 3:
      if (Array.isArray(value)) for (let i = c.below(5); i >= 0; i--) value.push(structuredClone(value[0] ?? null));
      else holder[key] = [value];
      return;
    case 4:
      if (typeof value === 'object' && value && !Array.isArray(value))
        Object.defineProperty(value, c.once(2) ? c.pick(oddTexts) : `${c.pick(oddTexts)}x`, {
          ...{ value: anyValue(c), enumerable: true, configurable: true, writable: true },
        });
      else holder[key] = { [key]: value };
      return;
    case 5:
      holder[key] = typeof value === 'string' ? mutateText(c, value) : anyValue(c, 1);
      return;
    default:
      holder[key] = anyValue(c);
  }
}
