// How clients watch.
import assert from 'node:assert/strict';
import type { KubeObject } from '../api/meta.ts';
import { coreV1 } from '../api/refs.ts';
import { isExpired, StatusError } from '../api/status.ts';
import type { Client, WatchEventType, WatchOptions } from './client.ts';
import type { ClientCheck } from './test-client.ts';

const { configmaps } = coreV1;

export function watches(check: ClientCheck): void {
  check('watches from a resourceVersion', async ({ client, configMap, namespace }) => {
    const a = await configMap(namespace, 'a');
    await configMap(namespace, 'b');
    const watch = openWatch(client, { namespace, resourceVersion: a.metadata.resourceVersion });
    await watch.until(1);
    await client.patch(configmaps, { namespace, name: 'a' }, { type: 'merge', body: { data: { a: '2' } } });
    await client.delete(configmaps, { namespace, name: 'b' });
    const seen = await watch.until(3);
    assert.deepEqual(seen.map(describeEvent), ['ADDED b', 'MODIFIED a', 'DELETED b']);
    assert.equal(seen[0]!.object.kind, 'ConfigMap');
    const versions = seen.map(e => BigInt(e.object.metadata.resourceVersion));
    assert.ok(versions[0]! < versions[1]! && versions[1]! < versions[2]!);
    watch.handle.stop();
    await configMap(namespace, 'after-stop');
    assert.equal(watch.events.length, 3);
    assert.equal(watch.closed, 0);
  });

  check('watches by label: entering is ADDED, leaving is DELETED', async ({ client, configMap, namespace }) => {
    const first = await configMap(namespace, 'a');
    const watch = openWatch(client, {
      namespace,
      labelSelector: 'in=yes',
      resourceVersion: first.metadata.resourceVersion,
    });
    const label = (value: string | null) =>
      client.patch(
        configmaps,
        { namespace, name: 'a' },
        { type: 'merge', body: { metadata: { labels: { in: value } } } },
      );
    await label('yes');
    await label(null);
    const seen = await watch.until(2);
    assert.deepEqual(seen.map(describeEvent), ['ADDED a', 'DELETED a']);
    watch.handle.stop();
  });

  check('sends initial events', async ({ client, configMap, namespace }) => {
    await configMap(namespace, 'a', { labels: { initial: 'yes' } });
    await configMap(namespace, 'b', { labels: { initial: 'yes' } });
    const watch = openWatch(client, { namespace, labelSelector: 'initial=yes', sendInitialEvents: true });
    const seen = await watch.until(3);
    assert.deepEqual(seen.slice(0, 2).map(describeEvent).sort(), ['ADDED a', 'ADDED b']);
    assert.equal(seen[2]!.type, 'BOOKMARK');
    assert.equal(seen[2]!.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
    await configMap(namespace, 'c', { labels: { initial: 'yes' } });
    assert.equal(describeEvent((await watch.until(4))[3]!), 'ADDED c');
    watch.handle.stop();
  });

  check('ends a watch after its time', async ({ client, namespace }) => {
    const watch = openWatch(client, { namespace, timeoutSeconds: 1 });
    assert.equal(await watch.whenClosed, undefined);
  });

  check('refuses what it cannot parse', async ({ client, namespace }) => {
    const bad = client.list(configmaps, { labelSelector: 'a in (' });
    await assert.rejects(bad, (e: unknown) => e instanceof StatusError && e.code === 400);
    const watch = openWatch(client, { namespace, labelSelector: 'a in (' });
    const error = await watch.whenClosed;
    assert.ok(error instanceof StatusError && error.code === 400, String(error));
    assert.equal(isExpired(error), false);
  });
}

interface Seen {
  readonly type: WatchEventType;
  readonly object: KubeObject;
}

const describeEvent = (e: Seen): string => `${e.type} ${e.object.metadata.name}`;

/** Events but for bookmarks that only tell the time, and for kube-root-ca.crt. */
function openWatch(client: Client, options: WatchOptions) {
  const events: Seen[] = [];
  const close = Promise.withResolvers<Error | undefined>();
  let wake: () => void = () => {};
  const state = {
    events,
    closed: 0,
    whenClosed: close.promise,
    handle: client.watch(configmaps, options, {
      onEvent(type, object) {
        const initial = object.metadata.annotations?.['k8s.io/initial-events-end'];
        if ((type === 'BOOKMARK' && !initial) || object.metadata.name === 'kube-root-ca.crt') return;
        events.push({ type, object });
        wake();
      },
      onClose(error) {
        state.closed++;
        close.resolve(error);
        wake();
      },
    }),
    async until(count: number): Promise<Seen[]> {
      while (events.length < count) {
        if (state.closed) throw new Error(`watch ended after ${events.length} events`, { cause: await close.promise });
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
      return events;
    },
  };
  return state;
}
