import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { superuserOf } from '../test-api.ts';
import { startTestServer } from '../test-server.ts';
import { definition, establish, established, widget, widgets } from './test-definition.ts';

const group = 'restart.example.com';

test('a watch of custom resources goes on after the server has started again', async () => {
  const store = memoryStore({ clock: systemClock });
  const first = await startTestServer({ store });
  const one = superuserOf(first);
  await establish(one, definition(group));
  const { metadata } = await one.expect(201, 'POST', widgets(group), widget(group, 'a'));
  await one.expect(201, 'POST', widgets(group), widget(group, 'b'));
  await one.expect(200, 'DELETE', `${widgets(group)}/a`);
  const second = await startTestServer({ store });
  const two = superuserOf(second);
  try {
    await established(two, `widgets.${group}`);
    const watching = await two.watch(`${widgets(group)}?watch=1&resourceVersion=${metadata.resourceVersion}`);
    const seen: string[] = [];
    await watching.next(e => {
      seen.push(`${e.type} ${e.object.metadata?.name ?? e.object.message}`);
      return e.type === 'DELETED' || e.type === 'ERROR';
    });
    assert.deepEqual(seen, ['ADDED b', 'DELETED a']);
    const { items } = await two.expect(200, 'GET', widgets(group));
    assert.deepEqual(
      items.map((i: { metadata: { name: string } }) => i.metadata.name),
      ['b'],
    );
    await two.expect(201, 'POST', widgets(group), widget(group, 'c'));
    await watching.next(e => e.type === 'ADDED' && e.object.metadata.name === 'c');
  } finally {
    one.close();
    two.close();
    await first.stop();
    await second.stop().catch(() => {});
  }
});
