import { test } from 'node:test';
import { compaction, expiry, lifetime } from './history-conformance.ts';
import { conformToModel } from './store-model.ts';
import type { Check, OpenedStore, StoreTraits } from './test-store.ts';
import { lists, watches } from './watches-conformance.ts';
import { writes } from './writes-conformance.ts';

/** Registers a test for each sentence of the Store contract. */
export function storeConformance(
  name: string,
  open: () => Promise<OpenedStore>,
  traits: StoreTraits = { decidesAtOnce: true },
): void {
  const check: Check = (sentence, body, needs = {}) => {
    if (needs.decidesAtOnce && !traits.decidesAtOnce) return;
    test(`${name}: ${sentence}`, async t => {
      const opened = await open();
      try {
        await body(opened, t);
      } finally {
        await opened.cleanup();
      }
    });
  };
  writes(check);
  lists(check);
  watches(check);
  compaction(check);
  expiry(check);
  lifetime(check);
  conformToModel(name, open, traits);
}
