// ComponentStatus: how the store and the parts of the control plane are, for `kubectl get componentstatuses`.
import type { Draft, KubeObject } from '../../api/meta.ts';
import { badRequest, methodNotSupported, notFound } from '../../api/status.ts';
import type { ComponentStatus } from '../../api/type/core-v1.ts';
import type { Call, CallResult } from '../context.ts';
import { parseSelection } from '../registry/selection.ts';
import { Stored } from '../registry/stored.ts';

function statusOf(name: string): Draft<ComponentStatus> {
  return {
    kind: 'ComponentStatus',
    apiVersion: 'v1',
    metadata: { name },
    conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }],
  };
}

/** `components` run in this process and are as healthy as it is; a failed store ends them all. */
export function componentStatus(call: Call, components: readonly string[]): CallResult {
  const names = [...components, 'etcd-0'];
  const { name } = call.key;
  if (call.verb === 'get') {
    if (!names.includes(name)) throw notFound(call.resource, name);
    return { code: 200, object: statusOf(name) };
  }
  if (call.verb !== 'list') throw methodNotSupported(call.resource, call.verb);
  const selection = parseSelection(call.resource, call.query.get('labelSelector'), call.query.get('fieldSelector'));
  if (call.query.get('continue')) throw badRequest('continue key is not valid: this list comes whole');
  const items = names
    .map(n => new Stored(n, statusOf(n) as KubeObject, 0))
    .filter(s => selection.everything || selection.matches(s.object));
  const object = { kind: 'ComponentStatusList', apiVersion: 'v1', metadata: {}, items: items.map(i => i.object) };
  return { code: 200, object, items };
}
