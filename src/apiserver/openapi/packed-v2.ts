// OpenAPI 2 packed in pieces. What is built in and every few custom resources are pieces of their own, kept while
// what they are made from stays: a definition more costs one piece, not the document.
import { createDescriber, type Describer } from '../../api/description.ts';
import type { Resource } from '../../api/resource.ts';
import { endsPart, keptLevel, nothingMore, type Packed, pack, unpacked } from '../packed-parts.ts';
import { pathOf, type Source } from './documents.ts';
import { encodeV2 } from './protobuf-v2.ts';
import type { Json } from './schema.ts';
import { builtinHash, resourceIdentity } from './source-hash.ts';
import { builtinV2, customV2, headV2, immediately, type PartV2, samplesOf } from './version2.ts';

/** How the document is written: sections, with text before each and behind the last. */
interface Form {
  around(head: Json): readonly Uint8Array[];
  /** What a part adds to each section. */
  sections(part: PartV2): readonly Uint8Array[];
  /** Stands between what parts add. */
  readonly between: Uint8Array;
}

const json: Form = {
  around: head =>
    [`${JSON.stringify(head).slice(0, -1)},"paths":{`, '},"definitions":{', '}}'].map(text => Buffer.from(text)),
  sections: ({ paths, definitions }) => [members(paths), members(definitions)],
  between: Buffer.from(','),
};

/** What stands within the braces. */
const members = (map: ReadonlyMap<string, Json>): Buffer =>
  Buffer.from([...map].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join());

// Messages behind one another are one message.
const protobuf: Form = {
  around: head => [encodeV2(head, new Map(), new Map()), Buffer.alloc(0)],
  sections: ({ paths, definitions }) => [encodeV2({}, paths, definitions)],
  between: Buffer.alloc(0),
};

export const formsV2 = { json, protobuf };

/** What a piece adds to each section. */
type Piece = readonly Packed[];

// Paths of resources are alike, and packing forgets at each start what it has seen: about so many to a piece.
const resourcesAbout = 8;
const resourcesAtMost = 16;
const membersAtOnce = 32;
// Pieces packed at the same time: libuv has four threads.
const ahead = 4;

export class PackedV2 {
  readonly #form: Form;
  /** By what they are made from. */
  #pieces = new Map<string, Promise<Piece>>();

  constructor(form: Form) {
    this.#form = form;
  }

  /** The parts of the document in order. */
  async make(source: Source): Promise<Packed[]> {
    const told = new Set(source.remote?.map(r => r.id));
    const custom = source.resources.filter(r => !r.typeName && !told.has(pathOf(r)));
    const used = new Map<string, Promise<Piece>>();
    const add = async (key: string, parts: () => AsyncIterable<PartV2>) => {
      let piece = this.#pieces.get(key);
      if (!piece) {
        const sections = await this.#sections(parts(), used.size === 0);
        piece = Promise.all(sections.map(section => pack(section, keptLevel)));
        piece.catch(() => this.#pieces.delete(key));
        this.#pieces.set(key, piece);
      }
      used.set(key, piece);
      if (used.size > ahead) await [...used.values()].at(-ahead);
    };
    const samples = samplesOf(custom);
    await add(`${builtinHash(source)} ${samples.map(r => [...r.subresources.keys()])}`, () => builtinParts(source));
    const describe = createDescriber();
    for (const some of together(custom))
      await add(some.map(r => resourceIdentity(r, source)).join(''), () => customParts(some, source, describe));
    const pieces = await Promise.all(used.values());
    this.#pieces = used;
    const around = this.#form.around(headV2(source)).map(bytes => unpacked(bytes));
    return [...around.flatMap((text, i) => [text, ...pieces.flatMap(piece => piece[i] ?? [])]), nothingMore];
  }

  async #sections(parts: AsyncIterable<PartV2>, atStart: boolean): Promise<Buffer[]> {
    const sections: Uint8Array[][] = [];
    for await (const part of parts)
      for (const [i, bytes] of this.#form.sections(part).entries()) {
        sections[i] ??= [];
        const section = sections[i];
        if (bytes.length) section.push(...(section.length || !atStart ? [this.#form.between] : []), bytes);
      }
    return sections.map(section => Buffer.concat(section));
  }
}

/** Resources in runs; where one ends rests on names, so that one more or less changes one run. */
function* together(resources: readonly Resource[]): Generator<Resource[]> {
  let some: Resource[] = [];
  for (const r of resources) {
    if (some.length && (some.length === resourcesAtMost || endsPart(`${r.group}/${r.resource}`, resourcesAbout))) {
      yield some;
      some = [];
    }
    some.push(r);
  }
  if (some.length) yield some;
}

async function* customParts(
  resources: readonly Resource[],
  source: Source,
  describe: Describer,
): AsyncGenerator<PartV2> {
  for (const r of resources) {
    yield customV2(r, source, describe);
    await immediately();
  }
}

async function* builtinParts(source: Source): AsyncGenerator<PartV2> {
  const { paths, definitions } = await builtinV2(source);
  const none = new Map<string, Json>();
  for (const some of runs(paths)) {
    yield { paths: some, definitions: none };
    await immediately();
  }
  for (const some of runs(definitions)) {
    yield { paths: none, definitions: some };
    await immediately();
  }
}

function* runs(map: ReadonlyMap<string, Json>): Generator<Map<string, Json>> {
  const all = [...map];
  for (let i = 0; i < all.length; i += membersAtOnce) yield new Map(all.slice(i, i + membersAtOnce));
}
