import { VirtualClock } from '../base/clock.ts';
import { memoryStore } from './memory-store.ts';
import { storeConformance } from './store-conformance.ts';

storeConformance('memory', async () => {
  const clock = new VirtualClock();
  const store = memoryStore({ clock });
  return { store, clock, cleanup: () => store.close() };
});
