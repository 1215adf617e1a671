// A priority level at work: its queues, and how many seats it has of its own and of others.
import type { PriorityLevelConfiguration } from '../../api/type/flowcontrol-v1.ts';
import type { Timer } from '../../base/clock.ts';
import { type DemandStats, smoothed } from './kernel/demand.ts';
import { Level, type LevelShape } from './kernel/level.ts';
import { currentLimits, type LevelBounds, nominalBounds } from './kernel/limits.ts';
import { RetryAfter } from './kernel/retry-after.ts';
import { widestOf } from './kernel/width.ts';

export class LevelState {
  readonly level: Level;
  readonly retryAfter = new RetryAfter();
  object: PriorityLevelConfiguration;
  bounds: LevelBounds = { nominal: 0, lower: 0, upper: 0 };
  stats: DemandStats = { high: 0, average: 0, deviation: 0 };
  smooth = 0;
  target = 0;
  /** Most seats of one request. */
  widest = 1;
  /** Its object is gone; it goes when its last request has. */
  quiescing = false;
  /** Fires when lingering seats come free and somebody waits for them. */
  releaseTimer: Timer | undefined;

  constructor(object: PriorityLevelConfiguration, nowMs: number) {
    this.object = object;
    this.level = new Level(object.metadata.name, shapeOf(object), 0, nowMs);
  }

  get uid(): string {
    return this.object.metadata.uid ?? '';
  }

  configure(object: PriorityLevelConfiguration, nowMs: number): void {
    this.object = object;
    this.level.reshape(shapeOf(object), nowMs);
  }

  bound(bounds: LevelBounds): void {
    this.bounds = bounds;
    this.level.nominal = bounds.nominal;
    this.widest = widestOf(bounds.nominal, this.level.shape.handSize);
  }

  /** The period is over. */
  closePeriod(): void {
    this.stats = this.level.demand.take();
    this.smooth = smoothed(this.smooth, this.stats);
  }
}

/** Divides the server's seats by the levels' shares. */
export function boundLevels(states: readonly LevelState[], serverSeats: number): void {
  const bounds = nominalBounds(
    states.map(({ object: { spec } }) => {
      const { nominalConcurrencyShares: shares, lendablePercent = 0 } = spec.limited ?? spec.exempt ?? {};
      const { borrowingLimitPercent } = spec.limited ?? {};
      return {
        shares: shares ?? (spec.type === 'Exempt' ? 0 : 30),
        lendablePercent,
        ...(borrowingLimitPercent === undefined || borrowingLimitPercent === null ? {} : { borrowingLimitPercent }),
      };
    }),
    serverSeats,
  );
  for (const [i, state] of states.entries()) state.bound(bounds[i]!);
}

/** Sets every level's limit by its demand; returns the fair fraction. */
export function divideSeats(states: readonly LevelState[]): number {
  const { current, target, fairFraction } = currentLimits(
    states.map(s => ({ ...s.bounds, exempt: s.level.shape.exempt, high: s.stats.high, smooth: s.smooth })),
    states.reduce((sum, s) => sum + s.bounds.nominal, 0),
  );
  for (const [i, state] of states.entries()) {
    state.target = target[i]!;
    state.level.limit = current[i]!;
  }
  return fairFraction;
}

function shapeOf({ spec }: PriorityLevelConfiguration): LevelShape {
  if (spec.type === 'Exempt') return { exempt: true, queues: 0, handSize: 0, queueLengthLimit: 0 };
  const { type, queuing } = spec.limited?.limitResponse ?? { type: 'Reject' };
  if (type !== 'Queue') return { exempt: false, queues: 0, handSize: 0, queueLengthLimit: 0 };
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = queuing ?? {};
  return { exempt: false, queues, handSize: Math.min(handSize, queues), queueLengthLimit };
}
