// Quantities as numbers, for what a node computes with them.

const factors: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A quantity's value in its base unit (bytes, cores); 0 for what is absent or unreadable. */
export function numberOf(quantity: string | undefined): number {
  if (!quantity) return 0;
  const m = /^([+-]?[0-9.]+)(?:([eE][+-]?[0-9]+)|([a-zA-Z]*))$/.exec(quantity);
  if (!m) return 0;
  const factor = m[2] ? Number(`1${m[2]}`) : factors[m[3] ?? ''];
  const value = Number(m[1]) * (factor ?? Number.NaN);
  // Decimal fractions of binary floats ("0.1" as milli) must not gain digits.
  return Number.isNaN(value) ? 0 : Math.abs(value) < 1e6 ? Number(value.toPrecision(15)) : value;
}

/** Rounded up to whole units, as Kubernetes reads memory. */
export function bytesOf(quantity: string | undefined): number {
  return Math.ceil(numberOf(quantity));
}

/** Rounded up to thousandths, as Kubernetes reads CPU. */
export function milliOf(quantity: string | undefined): number {
  return Math.ceil(Number((numberOf(quantity) * 1000).toPrecision(15)));
}

/** Bytes as Kubernetes writes memory: `Ki` when that is exact. */
export function formatKi(bytes: number): string {
  return bytes % 1024 === 0 ? `${bytes / 1024}Ki` : String(bytes);
}

/** `2` or `1930m`. */
export function formatMilli(milli: number): string {
  return milli % 1000 === 0 ? String(milli / 1000) : `${milli}m`;
}

/** A span in Go's words: 10s, 1m20s, 5m0s, 1.5s, 350ms. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 0) return `-${formatDuration(-ms)}`;
  if (ms < 1) return `${Number((ms * 1000).toPrecision(6))}µs`;
  if (ms < 1000) return `${Number(ms.toPrecision(9))}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor((ms % 3_600_000) / 60_000);
  const seconds = `${Number(((ms % 60_000) / 1000).toFixed(9))}s`;
  if (hours) return `${hours}h${minutes}m${seconds}`;
  return minutes ? `${minutes}m${seconds}` : seconds;
}
