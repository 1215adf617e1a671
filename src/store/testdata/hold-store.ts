// Opens the store in argv[2], writes one key and stays until killed.
import { openLmdbStore } from '../lmdb-store.ts';

const store = await openLmdbStore({ directory: process.argv[2]! });
await store.create('/held', () => Buffer.from('by the child'));
process.on('message', () => {});
process.send!('ready');
