// The scale subresource of workloads: autoscaling/v1 Scale over spec.replicas.

import { checkConfiguration } from '../../api/apply-check.ts';
import { shapeOf } from '../../api/field-diff.ts';
import { selectorFromLabelSelector, selectorFromMap } from '../../api/label-selector.ts';
import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { invalid, notFound } from '../../api/status.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type { LabelSelector } from '../../api/type/meta-v1.ts';
import { admitCall } from '../admission/admit-call.ts';
import { draftFrom } from '../body.ts';
import type { DecodedBody } from '../body-format.ts';
import type { Call, CallResult } from '../context.ts';
import { applyOf, checkType, isApply, patchedBy, patchKindOf, refusalOf } from '../patch.ts';
import { keepKind } from '../patched-kind.ts';
import { otherUid } from '../registry/metadata.ts';
import { readNotOlderThan } from '../registry/reading.ts';
import { checkIdentity, updateObject } from '../registry/update.ts';
import { isTrue } from '../request-info.ts';

const target = { group: 'autoscaling', version: 'v1', kind: 'Scale', typeName: 'io.k8s.api.autoscaling.v1.Scale' };

interface Scalable extends KubeObject {
  readonly spec: { readonly replicas?: number; readonly selector?: LabelSelector | Readonly<Record<string, string>> };
  readonly status: { readonly replicas?: number };
}

export function scaleOf(object: KubeObject): Scale {
  const { spec, status } = object as Scalable;
  const selector =
    object.kind === 'ReplicationController'
      ? selectorFromMap((spec.selector ?? {}) as Record<string, string>)
      : selectorFromLabelSelector((spec.selector ?? {}) as LabelSelector);
  return scaleFor(object, { wanted: spec.replicas ?? 0, found: status?.replicas ?? 0, selector: selector.toString() });
}

/** The Scale of an object of any kind. `selector` is '' where there is none. */
export function scaleFor(
  { metadata: m }: KubeObject,
  replicas: { readonly wanted: number; readonly found: number; readonly selector: string },
): Scale {
  const { wanted, found, selector } = replicas;
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
    spec: { ...(wanted ? { replicas: wanted } : {}) },
    status: { replicas: found, ...(selector ? { selector } : {}) },
  };
}

export async function scale(call: Call): Promise<CallResult> {
  const registry = call.registry!;
  if (call.verb === 'get') {
    const asked = call.query.get('resourceVersion') ?? '';
    return { code: 200, object: scaleOf((await readNotOlderThan(registry, call.key, asked)).object) };
  }
  const body = await call.body();
  if (call.verb === 'patch' && isApply(call.contentType))
    return applyScale(call, body, { scaleOf, withReplicas: replicas => ({ spec: { replicas } }) });
  const asked = call.verb === 'patch' ? body : placedScale(call, decodeScale(call, body));
  const { stored } = await updateObject(
    registry,
    call.key,
    async current => {
      if (!current) throw notFound(call.resource, call.key.name);
      const now = scaleOf(current);
      const wanted = wantedScale(call, now, asked, current);
      const next = cloneDeep(current) as unknown as Mutable<Scalable>;
      await admitCall(call, 'UPDATE', wanted, now, () => {
        next.spec.replicas = wanted.spec?.replicas ?? 0;
        return scaleOf(next as unknown as KubeObject);
      });
      // With a resourceVersion the caller means that very state.
      next.metadata.resourceVersion = wanted.metadata.resourceVersion ?? '';
      return next as unknown as Mutable<KubeObject>;
    },
    { ...call.context, admitted: true },
  );
  return { code: 200, object: scaleOf(stored.object) };
}

const draftOptions = ({ fieldValidation, context }: Call) => ({ fieldValidation, warn: context.warn });

/** The Scale a whole body is. Throws 400. */
export const decodeScale = (call: Call, { value, ...given }: DecodedBody): Mutable<Scale> =>
  draftFrom(target, undefined, value, draftOptions(call), given) as unknown as Mutable<Scale>;

/** Throws 400 for a Scale of another object than the path's. */
export function placedScale(call: Call, scale: Mutable<Scale>): Mutable<Scale> {
  checkIdentity(call.registry!, call.key, scale as unknown as Mutable<KubeObject>);
  return scale;
}

/** The Scale a write asks for, checked; `now` is what a patch starts from. Throws 400, 409, 415 and 422. */
export function wantedScale(
  call: Call,
  now: Scale,
  asked: DecodedBody | Mutable<Scale>,
  current: KubeObject,
): Mutable<Scale> {
  const wanted = 'duplicates' in asked ? placedScale(call, patchedScale(call, now, asked)) : cloneDeep(asked);
  check(call, wanted, current);
  return wanted;
}

function patchedScale(call: Call, now: Scale, { value, ...given }: DecodedBody): Mutable<Scale> {
  const kind = patchKindOf(call.contentType, !call.resource.custom);
  const made = patchedBy(kind, target.typeName, now, value);
  const duplicates = kind === 'json' ? [] : given.duplicates;
  const refuse = refusalOf(kind, target.typeName, value, made);
  const kept = keepKind(made, { target, patch: kind, subresource: 'scale', name: call.key.name, refuse });
  const options = { ...draftOptions(call), refuse };
  return draftFrom(target, undefined, kept, options, { duplicates }) as unknown as Mutable<Scale>;
}

/** How a kind keeps its replicas. */
export interface ScaleForm {
  scaleOf(object: KubeObject): Scale;
  /** The fields of a configuration of the kind that state so many. */
  withReplicas(replicas: number): object;
}

/** A server-side apply of a Scale is one of the object that states its replicas only: so fields are owned and contested. */
export async function applyScale(call: Call, { value }: DecodedBody, form: ScaleForm): Promise<CallResult> {
  const registry = call.registry!;
  const context = { ...call.context, applied: true, admitted: true };
  checkType(target, value);
  const config = value as Mutable<Scale>;
  const shape = shapeOf(target.typeName);
  checkConfiguration({ shape, config: config as unknown as Record<string, unknown>, apiVersion: apiVersionOf(target) });
  const { replicas } = config.spec ?? {};
  const { uid, resourceVersion } = config.metadata ?? {};
  const stated = {
    apiVersion: apiVersionOf(call.resource),
    kind: call.resource.kind,
    metadata: { name: call.key.name, ...(uid ? { uid } : {}), ...(resourceVersion ? { resourceVersion } : {}) },
    ...(replicas === undefined ? {} : form.withReplicas(replicas)),
  };
  const apply = applyOf(call.resource, registry.strategy, stated, {
    context,
    name: call.key.name,
    force: isTrue(call.query.get('force')),
    draft: { fieldValidation: 'Ignore', warn: call.context.warn },
    now: () => registry.options.clock.now(),
  });
  const transform = async (current: KubeObject | undefined) => {
    if (!current) throw notFound(call.resource, call.key.name);
    const metadata = { ...config.metadata, name: config.metadata?.name ?? call.key.name };
    check(call, placedScale(call, { ...config, metadata }), current);
    const next = await apply(current);
    await admitCall(call, 'UPDATE', form.scaleOf(next as KubeObject), form.scaleOf(current));
    return next;
  };
  const { stored } = await updateObject(registry, call.key, transform, context);
  return { code: 200, object: form.scaleOf(stored.object) };
}

function check(call: Call, wanted: Mutable<Scale>, current: KubeObject): void {
  const { uid } = wanted.metadata;
  // A patch has no say in which object it means.
  if (call.verb === 'update' && uid && uid !== current.metadata.uid) {
    const registry = call.registry!;
    throw otherUid(registry, registry.keyOf(call.key), call.key.name, uid, current.metadata.uid);
  }
  const replicas = wanted.spec?.replicas ?? 0;
  // Custom resources say themselves what their replicas may be.
  if (replicas < 0 && !call.resource.custom) {
    throw invalid({ group: 'autoscaling', resource: 'Scale' }, call.key.name, [
      {
        reason: 'FieldValueInvalid',
        message: `Invalid value: ${replicas}: must be greater than or equal to 0`,
        field: 'spec.replicas',
      },
    ]);
  }
}
