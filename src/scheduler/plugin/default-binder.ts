import { coreV1 } from '../../api/refs.ts';
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
      return errorStatus(name, error);
    }
  },
});
