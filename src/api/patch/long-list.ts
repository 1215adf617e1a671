// Lists that many operations of one patch change in the middle: the items behind would be moved for each of them, so that
// long lists are kept in pieces until somebody needs them whole.
const longest = 4096;
const pieceLength = 1024;

type List = unknown[];

/** All changes and reads of the lists of one document go through it, until they are settled. */
export class LongLists {
  /** Of a list in pieces its own items say nothing. */
  readonly #pieces = new Map<List, Pieces>();

  length(list: List): number {
    return this.#pieces.get(list)?.length ?? list.length;
  }

  /** `at` is within the list, as everywhere here. */
  get(list: List, at: number): unknown {
    const pieces = this.#pieces.get(list);
    return pieces ? pieces.get(at) : list[at];
  }

  set(list: List, at: number, value: unknown): void {
    const pieces = this.#pieces.get(list);
    if (pieces) pieces.set(at, value);
    else list[at] = value;
  }

  insert(list: List, at: number, value: unknown): void {
    const pieces = this.#piecesFor(list, at);
    if (pieces) pieces.insert(at, value);
    else list.splice(at, 0, value);
  }

  remove(list: List, at: number): unknown {
    const pieces = this.#piecesFor(list, at);
    return pieces ? pieces.remove(at) : list.splice(at, 1)[0];
  }

  /** Makes the lists in a value whole again. */
  settle(value: unknown): void {
    if (!this.#pieces.size || typeof value !== 'object' || value === null) return;
    if (Array.isArray(value)) this.#join(value);
    for (const part of Array.isArray(value) ? value : Object.values(value)) this.settle(part);
  }

  settleAll(): void {
    for (const list of this.#pieces.keys()) this.#join(list);
  }

  #piecesFor(list: List, at: number): Pieces | undefined {
    const known = this.#pieces.get(list);
    if (known || list.length <= longest || at > list.length - pieceLength) return known;
    const made = new Pieces(list);
    this.#pieces.set(list, made);
    return made;
  }

  #join(list: List): void {
    const pieces = this.#pieces.get(list);
    if (!pieces) return;
    this.#pieces.delete(list);
    pieces.writeTo(list);
  }
}

class Pieces {
  readonly #pieces: List[] = [];
  length: number;

  constructor(list: List) {
    this.length = list.length;
    for (let at = 0; at < list.length; at += pieceLength) this.#pieces.push(list.slice(at, at + pieceLength));
  }

  get(at: number): unknown {
    const [piece, within] = this.#find(at);
    return this.#pieces[piece]![within];
  }

  set(at: number, value: unknown): void {
    const [piece, within] = this.#find(at);
    this.#pieces[piece]![within] = value;
  }

  insert(at: number, value: unknown): void {
    const [piece, within] = this.#find(at);
    const items = this.#pieces[piece]!;
    items.splice(within, 0, value);
    this.length++;
    if (items.length > 2 * pieceLength) this.#pieces.splice(piece, 1, items.splice(0, pieceLength), items);
  }

  remove(at: number): unknown {
    const [piece, within] = this.#find(at);
    const items = this.#pieces[piece]!;
    this.length--;
    const [value] = items.splice(within, 1);
    if (!items.length && this.#pieces.length > 1) this.#pieces.splice(piece, 1);
    return value;
  }

  writeTo(list: List): void {
    let at = 0;
    for (const piece of this.#pieces) for (const item of piece) list[at++] = item;
    list.length = at;
  }

  /** The piece an item is in, and where; behind the last item the last piece ends. */
  #find(at: number): [piece: number, within: number] {
    let left = at;
    let piece = 0;
    for (; piece < this.#pieces.length - 1 && left >= this.#pieces[piece]!.length; piece++)
      left -= this.#pieces[piece]!.length;
    return [piece, left];
  }
}
