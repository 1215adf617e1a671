// Requests of nearly the size they may have, each filled in the worst way for what the server does with it.
import { admittedRequests } from './large-admitted.ts';
import { askedRequests } from './large-asked.ts';
import { builtinRequests } from './large-builtin.ts';
import { customRequests } from './large-custom.ts';
import { patchRequests } from './large-patches.ts';
import type { Scenario } from './large-request.ts';

export function* largeRequests(bytes: number): Generator<Scenario> {
  yield* builtinRequests(bytes);
  yield* patchRequests(bytes);
  yield* customRequests(bytes);
  yield* askedRequests(bytes);
  yield* admittedRequests(bytes);
}
