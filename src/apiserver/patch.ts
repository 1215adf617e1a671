// The PATCH verb: media types to transforms of the current object.

import { parseJson } from '../api/decode.ts';
import type { KubeObject, Mutable } from '../api/meta.ts';
import { applyJsonPatch } from '../api/patch/json-patch.ts';
import { applyMergePatch } from '../api/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../api/patch/strategic-merge-patch.ts';
import type { Resource } from '../api/resource.ts';
import { unsupportedMediaType } from '../api/status.ts';
import type { Strategy } from '../api/strategy.ts';
import { type DraftOptions, draftFrom, targetOf } from './body.ts';

export type PatchKind = 'json' | 'merge' | 'strategic';

const mediaTypes: Record<string, PatchKind> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
};

/** Throws 415 for a media type the resource does not take; the transform throws 400 and 422 for a patch that does not fit. */
export function patchTransform(
  resource: Resource,
  strategy: Strategy,
  body: Uint8Array,
  contentType: string | undefined,
  options: DraftOptions,
) {
  const kind = mediaTypes[(contentType ?? '').split(';', 1)[0]!.trim()];
  if (!kind || (kind === 'strategic' && !resource.typeName)) throw unsupportedMediaType(Object.keys(mediaTypes));
  return patchOf(resource, strategy, kind, parseJson(body).value, options);
}

export function patchOf(
  resource: Resource,
  strategy: Strategy,
  kind: PatchKind,
  patch: unknown,
  options: DraftOptions,
) {
  return (current: KubeObject | undefined): Mutable<KubeObject> => {
    const base = current as unknown;
    const patched =
      kind === 'json'
        ? applyJsonPatch(base, patch)
        : kind === 'merge'
          ? applyMergePatch(base, patch)
          : applyStrategicMergePatch(resource.typeName, base, patch);
    return draftFrom(targetOf(resource), strategy, patched, options);
  };
}
