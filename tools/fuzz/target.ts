import type { Chance } from './chance.ts';

/** What is fuzzed. */
export interface Target {
  readonly name: string;
  /** Its share of the time; default: 1. */
  readonly weight?: number;
  /** One case, all of it from `chance`. Throws or rejects when something is wrong; `note` remembers the input. */
  run(chance: Chance, note: (input: unknown) => void): void | Promise<void>;
  /** Looks at the whole between cases: does it still answer, did anything leak? */
  check?(): Promise<void>;
  /** What came of the cases, in a few words: do they still reach what they are for? */
  summary?(): string;
  close?(): Promise<void>;
}

/** Runs something that may refuse its input with one of these errors. */
export function allow(errors: readonly (abstract new (...args: never[]) => Error)[], attempt: () => void): void {
  try {
    attempt();
  } catch (error) {
    if (!errors.some(type => error instanceof type)) throw error;
  }
}

/** Throws when it took longer than that. */
export function within(limitMs: number, what: string, attempt: () => void): void {
  const began = performance.now();
  attempt();
  const took = performance.now() - began;
  if (took > limitMs) throw new Error(`${what} took ${Math.round(took)} ms`);
}
