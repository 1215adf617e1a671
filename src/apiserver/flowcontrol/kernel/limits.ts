// How the server's seats are divided: nominal limits by shares, current limits by what levels lend and borrow.

export interface LevelShares {
  readonly shares: number;
  readonly lendablePercent: number;
  /** undefined: as much as there is. */
  readonly borrowingLimitPercent?: number | undefined;
}

export interface LevelBounds {
  readonly nominal: number;
  /** What it keeps whatever others ask for. */
  readonly lower: number;
  readonly upper: number;
}

// Smoothed demand halves again and again for days: less than this is none, before a share of it is no number any more.
const leastDemand = 1e-3;

/** In the order of `levels`. */
export function nominalBounds(levels: readonly LevelShares[], serverSeats: number): LevelBounds[] {
  const sum = levels.reduce((total, l) => total + l.shares, 0);
  return levels.map(({ shares, lendablePercent, borrowingLimitPercent }) => {
    const nominal = sum > 0 ? Math.ceil((serverSeats * shares) / sum) : 0;
    const lendable = Math.round((nominal * lendablePercent) / 100);
    const upper =
      borrowingLimitPercent === undefined
        ? nominal + serverSeats
        : nominal + Math.round((nominal * borrowingLimitPercent) / 100);
    return { nominal, lower: nominal - lendable, upper };
  });
}

export interface LevelDemand extends LevelBounds {
  readonly exempt: boolean;
  /** Highest demand of the last period, and the smoothed one. */
  readonly high: number;
  readonly smooth: number;
}

export interface Allocation {
  readonly current: number[];
  readonly target: number[];
  readonly fairFraction: number;
}

/**
 * Each level gets the same fraction of what it aims for, unless that is less than what it needs now of its own seats or
 * more than it may have; the fraction is the one that gives out all seats that are shared: the nominal ones of all.
 */
export function currentLimits(levels: readonly LevelDemand[], sharedSeats: number): Allocation {
  const floor = levels.map(l => Math.max(l.lower, Math.min(l.nominal, l.high)));
  // Nothing limits these: theirs is what they had.
  const unlimited = (l: LevelDemand) => Math.max(l.lower, l.high);
  const target = levels.map((l, i) =>
    l.exempt ? floor[i]! : Math.max(floor[i]!, l.smooth < leastDemand ? 0 : l.smooth),
  );
  // What exempt levels do not use of their own is all they lend; they are not limited.
  const seats = sharedSeats - levels.reduce((sum, l, i) => sum + (l.exempt ? floor[i]! : 0), 0);
  if (levels.every((l, i) => l.exempt || floor[i] === l.nominal))
    return { current: levels.map(l => (l.exempt ? unlimited(l) : l.nominal)), target, fairFraction: 1 };
  const at = (fraction: number) =>
    levels.map((l, i) => (l.exempt ? unlimited(l) : Math.min(l.upper, Math.max(floor[i]!, fraction * target[i]!))));
  const fairFraction = solve(levels, floor, target, seats);
  return { current: at(fairFraction).map(Math.round), target, fairFraction };
}

/** The sum grows piece by piece with the fraction, from turn to turn where a level leaves or meets a bound. */
function solve(
  levels: readonly LevelDemand[],
  floor: readonly number[],
  target: readonly number[],
  seats: number,
): number {
  let sum = 0;
  const turns: { at: number; slope: number }[] = [];
  for (const [i, l] of levels.entries()) {
    if (l.exempt) continue;
    sum += floor[i]!;
    const t = target[i]!;
    if (t <= 0 || l.upper <= floor[i]!) continue;
    turns.push({ at: floor[i]! / t, slope: t }, { at: l.upper / t, slope: -t });
  }
  turns.sort((a, b) => a.at - b.at);
  let slope = 0;
  let from = 0;
  for (const turn of turns) {
    const rise = slope * (turn.at - from);
    if (slope > 0 && sum + rise >= seats) return from + Math.max(0, seats - sum) / slope;
    if (slope === 0 && sum >= seats) return from;
    sum += rise;
    slope += turn.slope;
    from = turn.at;
  }
  return from;
}
