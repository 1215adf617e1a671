// Writes to the store in argv[2] with argv[3] writers until killed. Prints a line for each answered write:
// `<revision> <put|delete> <key> <text>`. The text of a value is known from key and revision alone.
import { writeSync } from 'node:fs';
import { seededRandom } from '../../base/random.ts';
import { openLmdbStore } from '../lmdb-store.ts';

const [, , directory, writers, seed] = process.argv;
const random = seededRandom(Number(seed));
const store = await openLmdbStore({ directory: directory!, logLength: 200 });
let answered = '';

function tell(revision: number, type: string, key: string): void {
  // One write a turn: a writer that prints each line spends its time there.
  if (answered === '') setImmediate(flush);
  answered += `${revision} ${type} ${key}\n`;
}

function flush(): void {
  writeSync(1, answered);
  answered = '';
}

async function writer(own: string): Promise<never> {
  const held = new Map<string, number>();
  const page = await store.list(own);
  for (const entry of page.entries) held.set(entry.key, entry.revision);
  for (;;) {
    const key = `${own}${Math.floor(random.next() * 20)}`;
    const value = (revision: number) => Buffer.alloc(20 + Math.floor(random.next() * 9000), `${key}@${revision};`);
    const current = held.get(key);
    if (current === undefined) held.set(key, await store.create(key, value));
    else if (random.next() < 0.3) {
      tell(await store.delete(key, current, value), 'delete', key);
      held.delete(key);
      continue;
    } else held.set(key, await store.update(key, current, value));
    tell(held.get(key)!, 'put', key);
  }
}

writeSync(1, `open ${store.revision}\n`);
await Promise.all(Array.from({ length: Number(writers) }, (_, i) => writer(`/w${i}/`)));
