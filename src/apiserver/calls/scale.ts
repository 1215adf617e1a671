// The scale subresource of workloads: autoscaling/v1 Scale over spec.replicas.

import { selectorFromLabelSelector, selectorFromMap } from '../../api/label-selector.ts';
import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { applyJsonPatch } from '../../api/patch/json-patch.ts';
import { applyMergePatch } from '../../api/patch/merge-patch.ts';
import { badRequest, conflict, invalid, notFound } from '../../api/status.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type { LabelSelector } from '../../api/type/meta-v1.ts';
import { admitCall } from '../admission/admit-call.ts';
import { draftFrom } from '../body.ts';
import type { Call, CallResult } from '../context.ts';
import { updateObject } from '../registry/update.ts';

const target = { group: 'autoscaling', version: 'v1', kind: 'Scale', typeName: 'io.k8s.api.autoscaling.v1.Scale' };

interface Scalable extends KubeObject {
  readonly spec: { readonly replicas?: number; readonly selector?: LabelSelector | Readonly<Record<string, string>> };
  readonly status: { readonly replicas?: number };
}

export function scaleOf(object: KubeObject): Scale {
  const { metadata: m, spec, status } = object as Scalable;
  const selector =
    object.kind === 'ReplicationController'
      ? selectorFromMap((spec.selector ?? {}) as Record<string, string>)
      : selectorFromLabelSelector((spec.selector ?? {}) as LabelSelector);
  const text = selector.toString();
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name: m.name,
      ...(m.namespace ? { namespace: m.namespace } : {}),
      uid: m.uid,
      resourceVersion: m.resourceVersion,
      creationTimestamp: m.creationTimestamp,
    },
    spec: { ...(spec.replicas ? { replicas: spec.replicas } : {}) },
    status: { replicas: status?.replicas ?? 0, ...(text ? { selector: text } : {}) },
  };
}

export async function scale(call: Call): Promise<CallResult> {
  const registry = call.registry!;
  if (call.verb === 'get') return { code: 200, object: scaleOf(registry.get(call.key).object) };
  const { value, duplicates } = await call.body();
  const { stored } = await updateObject(
    registry,
    call.key,
    async current => {
      if (!current) throw notFound(call.resource, call.key.name);
      const now = scaleOf(current);
      const wanted = wantedScale(call, now, value, duplicates, current);
      await admitCall(call, 'UPDATE', wanted, now);
      const next = cloneDeep(current) as unknown as Mutable<Scalable>;
      next.spec.replicas = wanted.spec?.replicas ?? 0;
      // With a resourceVersion the caller means that very state.
      next.metadata.resourceVersion = wanted.metadata.resourceVersion ?? '';
      return next as unknown as Mutable<KubeObject>;
    },
    { ...call.context, admitted: true },
  );
  return { code: 200, object: scaleOf(stored.object) };
}

/** The Scale a write asks for, checked; `now` is what it starts from. Throws 400, 409 and 422. */
export function wantedScale(
  call: Call,
  now: Scale,
  value: unknown,
  duplicates: readonly string[],
  current: KubeObject,
): Mutable<Scale> {
  const wanted = draftFrom(
    target,
    undefined,
    call.verb === 'patch' ? patched(now, value, call.contentType) : value,
    { fieldValidation: 'Ignore', warn: call.context.warn },
    { duplicates: [...duplicates] },
  ) as unknown as Mutable<Scale>;
  check(call, wanted, current);
  return wanted;
}

function patched(now: Scale, patch: unknown, contentType = ''): unknown {
  if (contentType.startsWith('application/json-patch+json')) return applyJsonPatch(now, patch);
  return applyMergePatch(now, patch);
}

function check(call: Call, wanted: Mutable<Scale>, current: KubeObject): void {
  const { name, uid } = wanted.metadata;
  if (name && name !== call.key.name)
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${call.key.name})`);
  if (uid && uid !== current.metadata.uid) {
    throw conflict(
      call.resource,
      call.key.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
    );
  }
  const replicas = wanted.spec?.replicas ?? 0;
  if (replicas < 0) {
    throw invalid({ group: 'autoscaling', resource: 'Scale' }, call.key.name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
        field: 'spec.replicas',
      },
    ]);
  }
}
