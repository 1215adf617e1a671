import { FuzzedServer } from './fuzzed-server.ts';
import { requestTarget } from './server-targets.ts';
import type { Target } from './target.ts';
import { valueTargets } from './value-targets.ts';
import { wireTargets } from './wire-targets.ts';

/** Those with a server share one. */
export function allTargets(): Target[] {
  const server = new FuzzedServer();
  return [...valueTargets, requestTarget(server), ...wireTargets(server)];
}
