// The condition of schemas that a store holds since before they had to be structural, as apiextensions-apiserver words it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { superuserOf } from '../test-api.ts';
import { type Json, mergePatch } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';
import { nonStructuralCondition } from './conditions.ts';
import { definitions, isTrue } from './test-definition.ts';
import { cases, nonStructural, storedDefinition, storedKey } from './test-stored-definitions.ts';

test('what is not structural is told as apiextensions-apiserver tells it', () => {
  for (const [i, { schemas, condition }] of cases().entries())
    assert.deepEqual(nonStructuralCondition(storedDefinition({ schemas }, i)), condition, JSON.stringify(schemas));
});

test('a stored definition says what it violates until its schema is mended', { timeout: 20_000 }, async () => {
  const store = memoryStore({ clock: systemClock });
  const wrong = cases().findIndex(c => c.condition?.status === 'True');
  const unknown = cases().findIndex(c => c.condition?.status === 'Unknown');
  const stored = [wrong, unknown].map(i => storedDefinition(cases()[i]!, i));
  for (const crd of stored) await store.create(storedKey(crd), () => Buffer.from(JSON.stringify(crd)));
  const server = await startTestServer({ store });
  const api = superuserOf(server);
  try {
    const watching = await api.watch(`${definitions}?watch=1`);
    for (const [at, i] of [wrong, unknown].entries()) {
      const { name } = stored[at].metadata;
      const { object } = await watching.next(e => e.object.metadata.name === name && isTrue(e.object, 'Established'));
      assert.deepEqual(nonStructural(object), cases()[i]!.condition);
      const versions = object.spec.versions.map((v: Json) => ({
        ...v,
        schema: { openAPIV3Schema: { type: 'object' } },
      }));
      await api.expect(200, 'PATCH', `${definitions}/${name}`, { spec: { versions } }, mergePatch);
      const mended = await watching.next(
        e => e.object.metadata.name === name && e.object.metadata.generation === 2 && !nonStructural(e.object),
      );
      assert.ok(isTrue(mended.object, 'Established'));
    }
  } finally {
    api.close();
    await server.stop();
  }
});
