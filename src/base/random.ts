/** The only source of chance. Tests pass a seeded one. */
export interface Random {
  /** A float in [0, 1). */
  next(): number;
  /** Fills a new buffer of `bytes` random bytes. */
  bytes(bytes: number): Uint8Array;
  /** A version 4 UUID, where that is faster than of `bytes`. */
  uuid?(): string;
}

// Not the global `crypto`, which loads all of Web Crypto; and not before it is asked for, because some processes never do.
let loaded: typeof import('node:crypto') | undefined;
const crypto = () => (loaded ??= process.getBuiltinModule('node:crypto'));

// Asking for many numbers costs hardly more than for one.
const pool = new Uint32Array(1024);
let used = pool.length;

/** Cryptographically strong. */
export const systemRandom: Random = {
  next() {
    if (used === pool.length) {
      crypto().randomFillSync(pool);
      used = 0;
    }
    return pool[used++]! / 2 ** 32;
  },
  bytes(bytes) {
    return crypto().randomFillSync(new Uint8Array(bytes));
  },
  uuid() {
    return crypto().randomUUID();
  },
};

/** The same sequence for the same seed (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  /** 32 bits. */
  const draw = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return t ^ (t >>> 14);
  };
  const bytes = (count: number) => {
    const out = new Uint8Array(count);
    for (let i = 0; i < count; i++) out[i] = draw() >>> 24;
    return out;
  };
  return { next: () => (draw() >>> 0) / 2 ** 32, bytes };
}

// No vowels and nothing that reads alike: Kubernetes' alphabet for generated names.
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A random suffix as Kubernetes appends to generateName. */
export function randomSuffix(random: Random, length = 5): string {
  let out = '';
  for (let i = 0; i < length; i++) out += suffixAlphabet[Math.floor(random.next() * suffixAlphabet.length)];
  return out;
}

const hex = Array.from({ length: 256 }, (_, x) => x.toString(16).padStart(2, '0'));

/** A version 4 UUID. */
export function randomUuid(random: Random): string {
  // Not by its identity: server and main program are scripts of their own, each with its copy of this module.
  if (random.uuid) return random.uuid();
  const b = random.bytes(16);
  b[6] = (b[6]! & 0x0f) | 0x40;
  b[8] = (b[8]! & 0x3f) | 0x80;
  let out = '';
  for (let i = 0; i < 16; i++) out += i === 4 || i === 6 || i === 8 || i === 10 ? `-${hex[b[i]!]}` : hex[b[i]!];
  return out;
}
