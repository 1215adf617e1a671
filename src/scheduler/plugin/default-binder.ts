import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Handle, Plugin } from '../framework.ts';
import { errorStatus } from '../status.ts';

const name = 'DefaultBinder';

/** Binds through the Binding subresource. */
export const defaultBinder = ({ client }: Handle): Plugin => ({
  name,
  async bind(_state, { pod }, nodeName) {
    const { namespace, name: podName, uid } = pod.metadata;
    const key = { namespace: namespace!, name: podName! };
    try {
      await client.createSubresource(coreV1.pods, key, 'binding', {
        kind: 'Binding',
        apiVersion: 'v1',
        metadata: { namespace, name: podName, uid },
        target: { kind: 'Node', name: nodeName },
      });
      return undefined;
    } catch (error) {
      // The room of a pod that is bound without our knowing would be given away until its watch event comes.
      if (mayHaveHappened(error)) {
        const live = await client.get(coreV1.pods, key).catch(() => undefined);
        if (live?.metadata.uid === uid && live?.spec.nodeName === nodeName) return undefined;
      }
      return errorStatus(name, error);
    }
  },
});

/** No answer came, or one that says nothing about the write. */
const mayHaveHappened = (error: unknown): boolean => !(error instanceof StatusError) || error.code >= 500;
