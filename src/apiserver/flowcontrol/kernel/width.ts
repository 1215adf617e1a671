// How many seats a request takes, and for how long after its end.

export interface Width {
  readonly initialSeats: number;
  readonly finalSeats: number;
  readonly extraMs: number;
}

const objectsPerSeat = 100;
const bytesPerSeat = 100_000;
const watchersPerSeat = 10;
/** What telling ten watchers of one change is thought to take. */
const tellMs = 5;
const mostSeats = 10;

const one: Width = { initialSeats: 1, finalSeats: 0, extraMs: 0 };

/** The widest request of a level: small levels are not filled by one. */
export function widestOf(nominal: number, handSize: number): number {
  const share = Math.min(Math.ceil(0.15 * nominal), Math.ceil(nominal / Math.max(1, handSize)));
  return Math.max(1, Math.min(mostSeats, share));
}

/** Of a list, and of a watch that begins with one: by the objects it looks through. */
export const listWidth = (objects: number, widest: number): Width => seated(objects / objectsPerSeat, widest);

/** The same by the size of what it gives. */
export const sizeWidth = (bytes: number, widest: number): Width => seated(bytes / bytesPerSeat, widest);

function seated(wanted: number, widest: number): Width {
  const seats = Math.min(widest, Math.ceil(wanted));
  return seats <= 1 ? one : { initialSeats: seats, finalSeats: 0, extraMs: 0 };
}

/** Of a write: by those who are told of it afterwards. */
export function writeWidth(watchers: number, widest: number): Width {
  if (watchers < watchersPerSeat) return one;
  const wanted = Math.ceil(watchers / watchersPerSeat);
  const finalSeats = Math.min(widest, wanted);
  return { initialSeats: 1, finalSeats, extraMs: (wanted * tellMs) / finalSeats };
}

export const plainWidth = one;

/** Of what cannot be told. */
export const widestWidth = (widest: number): Width => ({ ...one, initialSeats: widest });
