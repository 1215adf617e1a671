// The scale subresource of a custom kind: autoscaling/v1 Scale over the fields its definition names.
import { cloneDeep, type KubeObject, type Mutable } from '../../api/meta.ts';
import { isPlain, type Plain, setKey } from '../../api/patch/plain.ts';
import { badRequest, internalError, methodNotSupported, notFound, StatusError } from '../../api/status.ts';
import type { CustomResourceSubresourceScale } from '../../api/type/apiextensions-v1.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import { admitCall } from '../admission/admit-call.ts';
import { scheme } from '../body-kind.ts';
import { applyScale, decodeScale, placedScale, scaleFor, wantedScale } from '../calls/scale.ts';
import type { Call, CallResult } from '../context.ts';
import { isApply } from '../patch.ts';
import { readNotOlderThan } from '../registry/reading.ts';
import { updateObject } from '../registry/update.ts';
import { AccessorError, scaleFields, textAt, wholeAt } from './value-at.ts';

/** As Scale holds it, of 32 bits. Throws StatusError 500, as Kubernetes does, for what is no whole number. */
function numberAt(object: KubeObject, jsonPath: string): number | undefined {
  try {
    const value = wholeAt(object, jsonPath);
    return value === undefined ? undefined : Number(BigInt.asIntN(32, BigInt(value)));
  } catch (error) {
    throw error instanceof AccessorError ? new StatusError(500, '', error.message) : error;
  }
}

function selectorAt(object: KubeObject, jsonPath: string): string | undefined {
  try {
    return textAt(object, jsonPath);
  } catch (error) {
    if (error instanceof AccessorError) return undefined;
    throw error;
  }
}

function scaleOf(object: KubeObject, paths: CustomResourceSubresourceScale): Scale {
  const wanted = numberAt(object, paths.specReplicasPath);
  if (wanted === undefined)
    throw internalError(new Error(`the spec replicas field ${JSON.stringify(paths.specReplicasPath)} does not exist`));
  const selector = (paths.labelSelectorPath && selectorAt(object, paths.labelSelectorPath)) || '';
  return scaleFor(object, { wanted, found: numberAt(object, paths.statusReplicasPath) ?? 0, selector });
}

export async function customScale(call: Call): Promise<CallResult> {
  const { registry, resource } = call;
  const paths = resource.custom?.scale;
  if (!registry || !paths) throw methodNotSupported(resource, call.verb);
  if (call.verb === 'get') {
    const asked = call.query.get('resourceVersion') ?? '';
    return { code: 200, object: scaleOf((await readNotOlderThan(registry, call.key, asked)).object, paths) };
  }
  const fields = scaleFields(paths.specReplicasPath);
  if (call.verb === 'patch' && isApply(call.contentType)) {
    const body = await call.body();
    const withReplicas = (replicas: number) => {
      const out: Plain = {};
      setAt(out, fields, replicas);
      return out;
    };
    return applyScale(call, body, { scaleOf: object => scaleOrZero(object, paths), withReplicas });
  }
  const asked = call.verb === 'patch' ? await call.body() : placedScale(call, await wholeScale(call));
  const { stored } = await updateObject(
    registry,
    call.key,
    async current => {
      if (!current) throw notFound(resource, call.key.name);
      const now = scaleOrZero(current, paths);
      const wanted = wantedScale(call, now, asked, current);
      const next = cloneDeep(current) as unknown as Mutable<KubeObject>;
      await admitCall(call, 'UPDATE', wanted, now, () => {
        setAt(next as unknown as Plain, fields, wanted.spec?.replicas ?? 0);
        return scaleOf(next as KubeObject, paths);
      });
      next.metadata.resourceVersion = wanted.metadata.resourceVersion ?? current.metadata.resourceVersion;
      return next;
    },
    { ...call.context, admitted: true },
  );
  return { code: 200, object: scaleOf(stored.object, paths) };
}

/** Of a Scale that does not decode the server tells only that it has no such type among those of custom resources. */
async function wholeScale(call: Call): Promise<Mutable<Scale>> {
  try {
    return decodeScale(call, await call.body());
  } catch (error) {
    if (!(error instanceof StatusError) || error.code !== 400) throw error;
    throw badRequest(`no kind is registered for the type v1.Scale ${scheme}`);
  }
}

// The first scale may set what is not there yet.
function scaleOrZero(object: KubeObject, paths: CustomResourceSubresourceScale): Scale {
  if (numberAt(object, paths.specReplicasPath) !== undefined) return scaleOf(object, paths);
  const filled = cloneDeep(object) as unknown as Plain;
  setAt(filled, scaleFields(paths.specReplicasPath), 0);
  return scaleOf(filled as unknown as KubeObject, paths);
}

function setAt(object: Plain, fields: readonly string[], value: unknown): void {
  let at = object;
  for (const name of fields.slice(0, -1)) {
    if (!isPlain(at[name])) setKey(at, name, {});
    at = at[name] as Plain;
  }
  setKey(at, fields.at(-1)!, value);
}
