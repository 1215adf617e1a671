// Is there an order of these operations, each at one moment between its call and its return, that one copy of the data
// served one at a time could have answered so? The search of Wing and Gong, with what it has seen remembered as Lowe does.

/** What one copy of the data does. */
export interface Model<State, Operation> {
  readonly initial: State;
  /** The state afterwards; undefined when the operation cannot have been answered so in `state`. */
  step(state: State, operation: Operation): State | undefined;
  /** States with the same name are the same. */
  name(state: State): string;
}

/** One operation as its client saw it. Infinite `returnMs`: nobody heard of its end; it may have happened at any time since, or never. */
export interface Span<Operation> {
  readonly callMs: number;
  readonly returnMs: number;
  readonly operation: Operation;
}

export type Verdict<Operation> =
  | { readonly ok: true; readonly order: readonly Operation[] }
  /** The longest order found, and what could not come next. */
  | { readonly ok: false; readonly order: readonly Operation[]; readonly stuck: readonly Operation[] };

interface Frame<State> {
  readonly state: State;
  readonly candidates: readonly number[];
  next: number;
}

/** Throws RangeError when the search takes more than `mostSteps`. */
export function checkLinearizable<State, Operation>(
  model: Model<State, Operation>,
  history: readonly Span<Operation>[],
  mostSteps = 5_000_000,
): Verdict<Operation> {
  const spans = [...history].sort((a, b) => a.callMs - b.callMs);
  const open = new Open(spans);
  const seen = new Set<string>();
  const path: number[] = [];
  let best: { path: readonly number[]; stuck: readonly number[] } = { path: [], stuck: [] };
  const frames: Frame<State>[] = [{ state: model.initial, candidates: open.candidates(), next: 0 }];
  for (let steps = 0; ; steps++) {
    if (open.answered === 0) return { ok: true, order: path.map(i => spans[i]!.operation) };
    if (steps > mostSteps)
      throw new RangeError(`checking ${spans.length} operations: not decided in ${mostSteps} steps`);
    const frame = frames.at(-1)!;
    const i = frame.candidates[frame.next++];
    if (i === undefined) {
      if (path.length >= best.path.length) best = { path: [...path], stuck: frame.candidates };
      frames.pop();
      const undone = path.pop();
      if (undone === undefined) break;
      open.add(undone);
      continue;
    }
    const state = model.step(frame.state, spans[i]!.operation);
    if (state === undefined) continue;
    open.take(i);
    const situation = `${open.name()}|${model.name(state)}`;
    if (seen.has(situation)) {
      open.add(i);
      continue;
    }
    seen.add(situation);
    path.push(i);
    frames.push({ state, candidates: open.candidates(), next: 0 });
  }
  const told = (indices: readonly number[]) => indices.map(i => spans[i]!.operation);
  return { ok: false, order: told(best.path), stuck: told(best.stuck) };
}

/** The operations that are not yet in the order, by index; calls are in order of index. */
class Open {
  readonly #spans: readonly Span<unknown>[];
  readonly #taken: boolean[];
  #first = 0;
  #last = -1;
  /** How many of them have an answer. */
  answered: number;

  constructor(spans: readonly Span<unknown>[]) {
    this.#spans = spans;
    this.#taken = spans.map(() => false);
    this.answered = spans.filter(s => s.returnMs !== Number.POSITIVE_INFINITY).length;
  }

  take(i: number): void {
    this.#taken[i] = true;
    if (this.#spans[i]!.returnMs !== Number.POSITIVE_INFINITY) this.answered--;
    if (i > this.#last) this.#last = i;
    while (this.#taken[this.#first]) this.#first++;
  }

  add(i: number): void {
    this.#taken[i] = false;
    if (this.#spans[i]!.returnMs !== Number.POSITIVE_INFINITY) this.answered++;
    if (i < this.#first) this.#first = i;
    while (this.#last >= 0 && !this.#taken[this.#last]) this.#last--;
  }

  /** Those called before any other returned. */
  candidates(): number[] {
    const found: number[] = [];
    let firstReturnMs = Number.POSITIVE_INFINITY;
    for (let i = this.#first; i < this.#spans.length; i++) {
      if (this.#taken[i]) continue;
      const { callMs, returnMs } = this.#spans[i]!;
      if (callMs > firstReturnMs) break;
      found.push(i);
      if (returnMs < firstReturnMs) firstReturnMs = returnMs;
    }
    return found.filter(i => this.#spans[i]!.callMs <= firstReturnMs);
  }

  name(): string {
    let name = `${this.#first}`;
    for (let i = this.#first + 1; i <= this.#last; i++) if (this.#taken[i]) name += `,${i}`;
    return name;
  }
}
