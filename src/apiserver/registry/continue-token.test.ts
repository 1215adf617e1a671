import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import { startTestServer } from '../test-server.ts';
import { decodeContinue, encodeContinue } from './continue-token.ts';

const key = fc
  .string({ minLength: 1, unit: 'grapheme' })
  .filter(k => !k.includes('/../') && !k.startsWith('/') && !k.endsWith('\0') && k.isWellFormed());
const revision = fc.oneof(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), fc.constant(-1));

test('a continue token comes back as it was made; anything else is 400', () => {
  fc.assert(
    fc.property(revision, key, (revision, after) => {
      assert.deepEqual(decodeContinue(encodeContinue({ revision, after })), { revision, after });
    }),
  );
  const refused = (error: unknown) => error instanceof StatusError && error.code === 400;
  fc.assert(fc.property(fc.string(), text => assert.throws(() => decodeContinue(text), refused)));
  const forged = fc.record({ v: fc.anything(), rv: fc.anything(), start: fc.anything() }).map(o => {
    try {
      return JSON.stringify(o);
    } catch {
      return '';
    }
  });
  fc.assert(
    fc.property(forged, text => {
      assert.throws(() => decodeContinue(Buffer.from(text).toString('base64url')), refused);
    }),
  );
});

test('pages are one moment, whatever is written between them, and count what is left', async t => {
  const server = await startTestServer();
  t.after(() => server.stop());
  const client = server.server.client({ userAgent: 'test' });
  let namespaces = 0;
  const name = fc.integer({ min: 0, max: 15 }).map(n => `m${n}`);
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.record({ name, remove: fc.boolean() }), { maxLength: 20 }),
      async (names, limit, writes) => {
        const namespace = `page-${namespaces++}`;
        await client.create(coreV1.namespaces, { metadata: { name: namespace } });
        const there = new Set(names);
        for (const name of names) await client.create(coreV1.configmaps, { metadata: { namespace, name } });
        const before = await client.list(coreV1.configmaps, { namespace });
        const seen: unknown[] = [];
        // The server writes too: the first page may be of a later moment than the list, and of the same objects.
        let moment: string | undefined;
        for (let token: string | undefined = ''; token !== undefined; ) {
          const page: Awaited<ReturnType<typeof list>> = await list(namespace, limit, token);
          moment ??= page.metadata.resourceVersion;
          assert.equal(page.metadata.resourceVersion, moment);
          seen.push(...page.items);
          token = page.metadata.continue || undefined;
          assert.equal(page.metadata.remainingItemCount ?? 0, before.items.length - seen.length);
          for (const { name, remove } of writes.splice(0, 3)) {
            if (there.has(name) && remove) {
              await client.delete(coreV1.configmaps, { namespace, name });
              there.delete(name);
            } else if (!there.has(name)) {
              await client.create(coreV1.configmaps, { metadata: { namespace, name } });
              there.add(name);
            }
          }
        }
        assert.deepEqual(seen, before.items);
      },
    ),
    { numRuns: 25 },
  );

  function list(namespace: string, limit: number, token: string) {
    return client.list(coreV1.configmaps, { namespace, limit, ...(token ? { continue: token } : {}) });
  }
});
