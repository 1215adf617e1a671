// Shuffle sharding: each flow has a few queues of its level, dealt by a hash of the flow, so that two flows seldom
// share all of theirs.

const offset = 0xcbf29ce484222325n;
const prime = 0x100000001b3n;
const mask = (1n << 64n) - 1n;

/** 64 bits that depend on every byte of the flow's names (FNV-1a, then mixed so that the high bits do, too). */
export function flowHash(schema: string, distinguisher: string): bigint {
  let hash = offset;
  for (const byte of new TextEncoder().encode(`${schema}\0${distinguisher}`))
    hash = ((hash ^ BigInt(byte)) * prime) & mask;
  hash ^= hash >> 33n;
  hash = (hash * 0xff51afd7ed558ccdn) & mask;
  hash ^= hash >> 33n;
  hash = (hash * 0xc4ceb9fe1a85ec53n) & mask;
  return hash ^ (hash >> 33n);
}

/** `handSize` different numbers below `deckSize`: cards taken off a deck one after the other, the hash as the chance. */
export function dealHand(hash: bigint, deckSize: number, handSize: number): number[] {
  const deck = Array.from({ length: deckSize }, (_, i) => i);
  const hand: number[] = [];
  let rest = hash;
  for (let left = deckSize; hand.length < handSize && left > 0; left--) {
    const at = Number(rest % BigInt(left));
    rest /= BigInt(left);
    hand.push(deck[at]!);
    deck[at] = deck[left - 1]!;
  }
  return hand;
}
