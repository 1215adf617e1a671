// pods/binding and bindings: puts a pod on a node.
import { FieldErrors } from '../../api/field-error.ts';
import { cloneDeep, formatTime, type KubeObject, type Mutable } from '../../api/meta.ts';
import { validatePodBinding } from '../../api/rule/core/pod.ts';
import { badRequest, conflict, invalid } from '../../api/status.ts';
import type { Binding, Pod } from '../../api/type/core-v1.ts';
import { admitCall } from '../admission/admit-call.ts';
import { draftFrom } from '../body.ts';
import type { Call, CallResult } from '../context.ts';
import { checkNamespace, otherUid } from '../registry/metadata.ts';
import type { Registry } from '../registry/registry.ts';
import { updateObject } from '../registry/update.ts';

const target = { group: '', version: 'v1', kind: 'Binding', typeName: 'io.k8s.api.core.v1.Binding' };

/** `pods`: the registry of pods. */
export async function bindPod(call: Call, pods: Registry): Promise<CallResult> {
  const { value, ...given } = await call.body();
  const binding = draftFrom(
    target,
    undefined,
    value,
    { fieldValidation: call.fieldValidation, warn: call.context.warn },
    given,
  ) as unknown as Binding;
  const name = call.key.name || binding.metadata.name;
  if (call.key.name && binding.metadata.name && binding.metadata.name !== call.key.name)
    throw badRequest('name in URL does not match name in Binding object');
  checkNamespace(call, binding);
  const key = { namespace: call.key.namespace ?? binding.metadata.namespace ?? '', name };
  await admitCall({ ...call, registry: pods, key }, 'CREATE', binding);
  const node = checkTarget(binding);
  await updateObject(pods, key, current => assign(pods, current as unknown as Pod, binding, node), {
    ...call.context,
    subresource: 'binding',
    admitted: true,
  });
  return { code: 201, object: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } };
}

function checkTarget(binding: Binding): string {
  const errors = new FieldErrors();
  validatePodBinding(binding, errors);
  if (!errors.empty) throw invalid({ group: '', resource: 'Binding' }, binding.metadata.name ?? '', errors.list);
  return binding.target.name!;
}

function assign(registry: Registry, pod: Pod, binding: Binding, node: string): Mutable<KubeObject> {
  const refuse = (why: string) => conflict({ group: '', resource: 'pods/binding' }, pod.metadata.name, why);
  if (binding.metadata.uid && binding.metadata.uid !== pod.metadata.uid) {
    const { name, namespace = '', uid } = pod.metadata;
    throw otherUid(registry, registry.keyOf({ namespace, name }), name, binding.metadata.uid, uid);
  }
  if (pod.metadata.deletionTimestamp)
    throw refuse(`pod ${pod.metadata.name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName)
    throw refuse(`pod ${pod.metadata.name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  if (pod.spec.schedulingGates?.length) throw refuse(`pod ${pod.metadata.name} has non-empty .spec.schedulingGates`);
  const bound = cloneDeep(pod) as Mutable<Pod>;
  bound.spec.nodeName = node;
  if (registry.options.featureEnabled('ClearingNominatedNodeNameAfterBinding')) delete bound.status.nominatedNodeName;
  if (binding.metadata.annotations)
    bound.metadata.annotations = { ...bound.metadata.annotations, ...binding.metadata.annotations };
  if (binding.metadata.labels && registry.options.featureEnabled('PodTopologyLabelsAdmission'))
    bound.metadata.labels = { ...bound.metadata.labels, ...binding.metadata.labels };
  const scheduled = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: formatTime(registry.options.clock.now()),
    ...(pod.metadata.generation ? { observedGeneration: pod.metadata.generation } : {}),
  } as never;
  bound.status.conditions = [...(bound.status.conditions ?? []).filter(c => c.type !== 'PodScheduled'), scheduled];
  return bound as unknown as Mutable<KubeObject>;
}
