// What a request is called in audit events, and in the answer to it whether or not there are any.
import { type Random, randomUuid } from '../../base/random.ts';
import type { Exchange } from '../http/exchange.ts';

const longest = 64;

/** The client's own, unless it is too long. */
export function auditIdOf({ headers }: Exchange, random: Random): string {
  const given = headers['audit-id'];
  return typeof given === 'string' && given && given.length <= longest ? given : randomUuid(random);
}
