// Kubernetes' list functions, sets, and its regular expressions.
import { compare, contains, equals } from '../equal.ts';
import { fn, type Library, type SizeOf, sizeOfArg, step, visits } from '../overload.ts';
import { matcherFor, regexCost } from '../regex.ts';
import { CelDuration } from '../time.ts';
import { CelFault, CelList, CelUint, type CelValue } from '../value.ts';
import { functionsByName } from './pick.ts';
import { standard } from './standard.ts';

const plus = functionsByName(standard, '_+_');
const ORDERED = ['int', 'uint', 'double', 'bool', 'duration', 'timestamp', 'string', 'bytes'];
const each = { cost: visits(0), readsItems: true } as const;

function isSorted(list: CelList): boolean {
  let before: CelValue | undefined;
  for (const v of list) {
    if (before !== undefined && (compare(before, v) ?? 0) > 0) return false;
    before = v;
  }
  return true;
}

function sum(list: CelList, zero: CelValue): CelValue {
  let total: CelValue | undefined;
  for (const v of list) total = total === undefined ? v : plus([total, v]);
  return total ?? zero;
}

function extreme(name: string, list: CelList, sign: number): CelValue {
  let best: CelValue | undefined;
  for (const v of list) if (best === undefined || (compare(v, best) ?? 0) * sign > 0) best = v;
  if (best === undefined) throw new CelFault(`${name} called on empty list`);
  return best;
}

function indexOf(list: CelList, value: CelValue): bigint {
  let i = 0n;
  for (const v of list) {
    if (equals(v, value)) return i;
    i++;
  }
  return -1n;
}

function lastIndexOf(list: CelList, value: CelValue): bigint {
  let [i, found] = [0n, -1n];
  for (const v of list) {
    if (equals(v, value)) found = i;
    i++;
  }
  return found;
}

const ZERO: Readonly<Record<string, CelValue>> = {
  int: 0n,
  uint: new CelUint(0n),
  double: 0,
  duration: new CelDuration(0n),
};

export const lists: Library = [
  ...ORDERED.map(k => fn(`list<${k}>::isSorted(): bool`, isSorted, each)),
  ...Object.entries(ZERO).map(([k, zero]) => fn(`list<${k}>::sum(): ${k}`, (l: CelList) => sum(l, zero), each)),
  ...ORDERED.map(k => fn(`list<${k}>::max(): ${k}`, (l: CelList) => extreme('max', l, 1), each)),
  ...ORDERED.map(k => fn(`list<${k}>::min(): ${k}`, (l: CelList) => extreme('min', l, -1), each)),
  fn('list<T>::indexOf(T): int', indexOf, each),
  fn('list<T>::lastIndexOf(T): int', lastIndexOf, each),
];

const pairs = { cost: (s: SizeOf) => 1 + s(0) * s(1) };
const pairsTwice = { cost: (s: SizeOf) => 1 + 2 * s(0) * s(1) };
const containsAll = (a: CelList, b: CelList): boolean => {
  for (const v of b) {
    step(1);
    if (!contains(a, v)) return false;
  }
  return true;
};
const intersects = (a: CelList, b: CelList): boolean => {
  for (const v of b) if (contains(a, v)) return true;
  return false;
};

export const sets: Library = [
  fn('sets.contains(list<T>, list<T>): bool', containsAll, pairs),
  fn('sets.equivalent(list<T>, list<T>): bool', (a, b) => containsAll(a, b) && containsAll(b, a), pairsTwice),
  fn('sets.intersects(list<T>, list<T>): bool', intersects, pairs),
];

function find(text: string, pattern: string): string {
  const matcher = matcherFor(text, pattern);
  return matcher.find() ? (matcher.group() ?? '') : '';
}

// Kubernetes counts the text, not what is found in it.
const stepsOfMatch = 20;

function findAll(text: string, pattern: string, limit = -1n): CelList {
  const matcher = matcherFor(text, pattern);
  const out: string[] = [];
  let end = -1;
  while ((limit < 0n || out.length < Number(limit)) && matcher.find()) {
    step(stepsOfMatch);
    // As Go: nothing is found right behind something.
    if (matcher.end() > matcher.start() || matcher.start() !== end) out.push(matcher.group() ?? '');
    end = matcher.end();
  }
  return CelList.of(out);
}

const finding = { cost: regexCost, resultSize: sizeOfArg(0) };
export const regexes: Library = [
  fn('string::find(string): string', find, finding),
  fn('string::findAll(string): list<string>', (s, p) => findAll(s, p), finding),
  fn('string::findAll(string, int): list<string>', findAll, finding),
];
