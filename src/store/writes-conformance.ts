// The sentences of the Store contract on how stores write: compare and swap, conflicts, revisions.
import assert from 'node:assert/strict';
import { StoreConflictError } from './store.ts';
import { atOnce, bytes, type Check, conflict, Recorder } from './test-store.ts';

export function writes(check: Check): void {
  check('a new store is at revision 0 and empty', async ({ store }) => {
    assert.equal(store.revision, 0);
    assert.equal(store.compactedRevision, 0);
    assert.equal(await store.get('/a'), undefined);
    assert.deepEqual(await store.list('/'), { entries: [], revision: 0, more: false });
  });

  check('each write gets the next revision and shows its value', async ({ store }) => {
    assert.equal(await store.create('/a', bytes('1')), 1);
    assert.equal(await store.create('/b', bytes('2')), 2);
    assert.equal(await store.update('/a', 1, bytes('3')), 3);
    assert.equal(await store.delete('/b', 2), 4);
    assert.equal(store.revision, 4);
    const a = await store.get('/a');
    assert.deepEqual([a?.key, a?.revision, Buffer.from(a!.value).toString()], ['/a', 3, '3']);
    assert.equal(await store.get('/b'), undefined);
  });

  check('an empty and a large value come back', async ({ store }) => {
    const large = Buffer.alloc(3 << 20, 'k8ts');
    await store.create('/empty', () => new Uint8Array());
    await store.create('/large', () => large);
    assert.equal((await store.get('/empty'))?.value.byteLength, 0);
    assert.ok(large.equals((await store.get('/large'))!.value));
    assert.deepEqual(
      (await store.list('/')).entries.map(entry => entry.value.byteLength),
      [0, 3 << 20],
    );
  });

  check('values may be given as what makes their bytes', async ({ store }) => {
    const late = (text: string) => () => ({ bytes: Buffer.from(text) });
    const seen = new Recorder(store, '/', 0);
    await store.create('/a', late('1'));
    await store.update('/a', 1, late('22'));
    await store.create('/b', late('3'));
    await store.delete('/b', 3);
    assert.equal(Buffer.from((await store.get('/a'))!.value).toString(), '22');
    assert.equal(Buffer.from((await store.list('/')).entries[0]!.value).toString(), '22');
    await seen.until(() => seen.events.length === 4);
    assert.deepEqual(
      seen.events.map(e => [e.value, e.previous]),
      [
        ['1', undefined],
        ['22', '1'],
        ['3', undefined],
        ['3', '3'],
      ],
    );
    seen.watch.stop();
  });

  check('create rejects an existing key, update and delete another revision', async ({ store }) => {
    await store.create('/a', bytes('1'));
    await assert.rejects(store.create('/a', bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/a', 7, bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/a', 0, bytes('2')), conflict('/a', 1));
    await assert.rejects(store.update('/x', 1, bytes('2')), conflict('/x', 0));
    await assert.rejects(store.update('/x', 0, bytes('2')), conflict('/x', 0));
    await assert.rejects(store.delete('/a', 7), conflict('/a', 1));
    await assert.rejects(store.delete('/x', 0), conflict('/x', 0));
    assert.equal(store.revision, 1);
    await store.delete('/a', 1);
    await assert.rejects(store.update('/a', 1, bytes('2')), conflict('/a', 0));
    assert.equal(await store.create('/a', bytes('3')), 3);
  });

  check(
    'a key made and deleted again and again before any of it is durable',
    async ({ store }) => {
      const writes: Promise<number>[] = [];
      for (let revision = 1; revision <= 5; revision += 2) {
        writes.push(store.create('/a', bytes(String(revision))));
        writes.push(store.delete('/a', revision));
      }
      assert.deepEqual(await Promise.all(writes), [1, 2, 3, 4, 5, 6]);
      assert.equal(await store.get('/a'), undefined);
      assert.deepEqual((await store.list('/')).entries, []);
      assert.equal((await store.list('/', { revision: 5 })).entries[0]?.revision, 5);
      assert.equal(await store.create('/a', bytes('7')), 7);
      assert.deepEqual(
        (await store.list('/')).entries.map(e => e.revision),
        [7],
      );
    },
    atOnce,
  );

  check(
    'encode is called at once with the revision the write gets',
    async ({ store }) => {
      const seen: number[] = [];
      const encode = (revision: number) => {
        seen.push(revision);
        return Buffer.from(String(revision));
      };
      const first = store.create('/a', encode);
      const second = store.update('/a', 1, encode);
      const third = store.delete('/a', 2, encode);
      assert.deepEqual(seen, [1, 2, 3]);
      assert.deepEqual(await Promise.all([first, second, third]), [1, 2, 3]);
    },
    atOnce,
  );

  check(
    'encode is not called on a conflict, and its error rejects the write alone',
    async ({ store }) => {
      await store.create('/a', bytes('1'));
      const never = () => assert.fail('encode was called');
      await assert.rejects(store.create('/a', never), StoreConflictError);
      const broken = () => {
        throw new Error('cannot encode');
      };
      await assert.rejects(store.create('/b', broken), /cannot encode/);
      assert.equal(await store.create('/b', bytes('2')), 2);
    },
    atOnce,
  );

  check(
    'decisions count before they are durable; reads show what is durable',
    async ({ store }) => {
      const created = store.create('/a', bytes('1'));
      const refused = store.create('/a', bytes('2'));
      assert.equal(store.revision, 0);
      assert.equal(await store.get('/a'), undefined);
      await assert.rejects(refused, conflict('/a', 1));
      await created;
      assert.equal((await store.get('/a'))?.revision, 1);
    },
    atOnce,
  );

  check(
    'a conflict is told when the write it lost to can be read',
    async ({ store }) => {
      await store.create('/a', bytes('1'));
      const written = store.update('/a', 1, bytes('2'));
      await assert.rejects(store.update('/a', 1, bytes('3')), conflict('/a', 2));
      assert.equal((await store.get('/a'))?.revision, 2);
      assert.equal(await written, 2);
    },
    atOnce,
  );

  check('an error of encode rejects the write alone', async ({ store }) => {
    const broken = () => {
      throw new Error('cannot encode');
    };
    await assert.rejects(store.create('/b', broken), /cannot encode/);
    assert.equal(await store.create('/b', bytes('2')), 1);
  });

  check('of concurrent writers one wins each round', async ({ store }) => {
    await store.create('/n', bytes('0'));
    let conflicts = 0;
    const add = async () => {
      for (;;) {
        const entry = (await store.get('/n'))!;
        const next = String(Number(Buffer.from(entry.value).toString()) + 1);
        try {
          return await store.update('/n', entry.revision, bytes(next));
        } catch (error) {
          assert.ok(error instanceof StoreConflictError);
          conflicts++;
        }
      }
    };
    const revisions = await Promise.all(Array.from({ length: 20 }, add));
    assert.equal(Buffer.from((await store.get('/n'))!.value).toString(), '20');
    assert.equal(new Set(revisions).size, 20);
    assert.equal(store.revision, 21);
    assert.ok(conflicts > 0);
  });

  check('a key that is empty, too long or no Unicode is refused and the next write goes on', async ({ store }) => {
    await assert.rejects(store.create('', bytes('1')), RangeError);
    await assert.rejects(store.create('/\ud800', bytes('1')), RangeError);
    await assert.rejects(store.create('/'.repeat(3000), bytes('1')), RangeError);
    assert.equal(await store.create('/'.repeat(2048), bytes('1')), 1);
    assert.equal((await store.list('//')).entries[0]?.key.length, 2048);
  });
}
