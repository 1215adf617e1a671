import type { World } from './world.ts';

/** What a number was at any time of late, as a component with an old picture may still see it. */
export class RecentValues {
  readonly #world: World;
  readonly #staleMs: number;
  readonly #all = new Map<string, { readonly atMs: number; readonly value: number }[]>();

  constructor(world: World, staleMs: number) {
    this.#world = world;
    this.#staleMs = staleMs;
  }

  note(uid: string, value: number): void {
    const list = this.#all.get(uid) ?? [];
    if (list.at(-1)?.value !== value) list.push({ atMs: this.#world.now, value });
    this.#all.set(uid, list);
  }

  /** The present one included. */
  of(uid: string, now: number): number[] {
    const list = this.#all.get(uid) ?? [];
    const since = this.#world.now - this.#staleMs;
    return [now, ...list.filter((_, i) => i === list.length - 1 || list[i + 1]!.atMs >= since).map(l => l.value)];
  }
}
