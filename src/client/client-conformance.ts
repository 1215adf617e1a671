// What every implementation of Client must do, against an API server that is real enough to validate. Each case works in
// a namespace of its own, so that one server can serve them all.
import { after, before, describe, it } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import type { ConfigMap } from '../api/type/core-v1.ts';
import { lists } from './lists-conformance.ts';
import type { ClientBench, ClientCheck, OpenClient } from './test-client.ts';
import { watches } from './watches-conformance.ts';
import { writes } from './writes-conformance.ts';

const { configmaps, namespaces } = coreV1;

/** Registers the cases with node:test. `open` is called once. */
export function clientConformance(name: string, open: () => Promise<OpenClient>): void {
  describe(`client conformance: ${name}`, { timeout: 60_000 }, () => {
    let opened: OpenClient;
    let count = 0;
    before(async () => {
      opened = await open();
    });
    after(() => opened?.cleanup());

    const namespaceFor = async () => {
      const ns = `conformance-${++count}`;
      await opened.client.create(namespaces, { metadata: { name: ns } });
      return ns;
    };
    const configMap: ClientBench['configMap'] = (namespace, n, more = {}) =>
      opened.client.create<ConfigMap>(configmaps, {
        metadata: { namespace, name: n, ...more } as object,
        data: { a: '1' },
      });
    const check: ClientCheck = (sentence, body) =>
      it(sentence, async () =>
        body({ client: opened.client, namespace: await namespaceFor(), namespaceFor, configMap }),
      );
    writes(check);
    lists(check);
    watches(check);
  });
}
