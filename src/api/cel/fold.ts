// Folds: what the macros over lists and maps do at run time.
import type { Fold } from './ast.ts';
import type { Frame, Step } from './frame.ts';
import { sortedBy } from './lib/list-extension.ts';
import { spend, step } from './overload.ts';
import { CelFault, CelList, CelMap, CelUint, type CelValue, ValueMap } from './value.ts';

export const LIST_COST = 10;
export const MAP_COST = 30;

export const isFault = (error: unknown): error is CelFault => error instanceof CelFault && !error.costExceeded;

export function setEntry(map: ValueMap, key: CelValue, value: CelValue): void {
  const simple =
    typeof key === 'string' || typeof key === 'bigint' || typeof key === 'boolean' || key instanceof CelUint;
  if (!simple) throw new CelFault('unsupported key type');
  if (map.has(key)) throw new CelFault('Failed with repeated key');
  map.set(key, value);
}

export interface FoldParts {
  readonly first: number;
  readonly second: number | undefined;
  readonly filter: Step | undefined;
  readonly body: Step;
  readonly weight: number;
}

type FoldRun = (range: CelList | CelMap, fold: FoldParts, frame: Frame) => CelValue;

// Calls `round` until it says false, with the variables set.
function each(
  range: CelList | CelMap,
  { first, second, weight }: FoldParts,
  frame: Frame,
  round: (key: CelValue, item: CelValue) => boolean,
): void {
  const { locals } = frame;
  const isList = range instanceof CelList;
  let i = 0;
  for (const item of isList ? range : range.keys()) {
    step(weight);
    const key = isList ? BigInt(i++) : item;
    const value = isList ? item : second === undefined ? item : range.get(item)!;
    if (second === undefined) locals[first] = item;
    else {
      locals[first] = key;
      locals[second] = value;
    }
    if (!round(key, value)) return;
  }
}

const asBool = (value: CelValue): boolean => {
  if (typeof value !== 'boolean') throw new CelFault('no such overload');
  return value;
};

// What cel-go's expansion spends on each round besides the body, and at the end.
const ALL_ROUND = 3;
const EXISTS_ROUND = 4;
const APPEND_ROUND = 12;

function decide(decisive: boolean, cost: number): FoldRun {
  return (range, fold, frame) => {
    let result = !decisive;
    let fault: CelFault | undefined;
    each(range, fold, frame, () => {
      spend(cost);
      try {
        if (asBool(fold.body(frame)) === decisive) {
          result = decisive;
          return false;
        }
      } catch (error) {
        if (!isFault(error)) throw error;
        fault ??= error;
      }
      return true;
    });
    spend(1);
    if (result !== decisive && fault) throw fault;
    return result;
  };
}

function collectList(value: (fold: FoldParts, frame: Frame, item: CelValue) => CelValue | undefined): FoldRun {
  return (range, fold, frame) => {
    spend(LIST_COST);
    const out: CelValue[] = [];
    each(range, fold, frame, (key, item) => {
      if (fold.filter && !asBool(fold.filter(frame))) {
        spend(1);
        return true;
      }
      const made = value(fold, frame, range instanceof CelMap && fold.second === undefined ? key : item);
      spend(made === undefined ? 1 : APPEND_ROUND);
      if (made !== undefined) out.push(made);
      return true;
    });
    spend(1);
    return CelList.of(out);
  };
}

// What comes on top of making a list of the keys.
const sortCost = (size: number): number => 3 + 2 * size ** 2;

const sortBy: FoldRun = (range, fold, frame) => {
  if (!(range instanceof CelList)) throw new CelFault('no such overload');
  spend(LIST_COST + 1 + sortCost(range.size));
  const keys: CelValue[] = [];
  each(range, fold, frame, () => {
    spend(APPEND_ROUND);
    keys.push(fold.body(frame));
    return true;
  });
  return sortedBy([...range], keys);
};

function collectMap(add: (out: ValueMap, key: CelValue, value: CelValue) => void): FoldRun {
  return (range, fold, frame) => {
    spend(MAP_COST);
    const out = new ValueMap();
    each(range, fold, frame, key => {
      spend(2);
      if (!fold.filter || asBool(fold.filter(frame))) add(out, key, fold.body(frame));
      return true;
    });
    spend(1);
    return out;
  };
}

export const FOLDS: Readonly<Record<Fold['kind'], FoldRun>> = {
  all: decide(false, ALL_ROUND),
  exists: decide(true, EXISTS_ROUND),
  exists_one: (range, fold, frame) => {
    let found = 0;
    each(range, fold, frame, () => {
      const yes = asBool(fold.body(frame));
      spend(yes ? 2 : 1);
      if (yes) found++;
      return true;
    });
    spend(2);
    return found === 1;
  },
  sortBy,
  map: collectList((fold, frame) => fold.body(frame)),
  transformList: collectList((fold, frame) => fold.body(frame)),
  filter: collectList((fold, frame, item) => (asBool(fold.body(frame)) ? item : undefined)),
  transformMap: collectMap((out, key, value) => setEntry(out, key, value)),
  transformMapEntry: collectMap((out, _, entry) => {
    if (!(entry instanceof CelMap)) throw new CelFault('no such overload');
    for (const k of entry.keys()) setEntry(out, k, entry.get(k)!);
  }),
};
