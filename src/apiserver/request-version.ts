// Requests in another version of a kind than the one its rules are written for: a HorizontalPodAutoscaler of version 1.
import { applyDefaults } from '../api/decode.ts';
import type { KubeObject, Mutable } from '../api/meta.ts';
import { apiVersionOf } from '../api/ref.ts';
import type { Resource } from '../api/resource.ts';
import type { Strategy } from '../api/strategy.ts';
import type { Registry } from './registry/registry.ts';
import { convertObject } from './registry/versions.ts';

export interface RequestVersion {
  /** What to decode with: the kind's own rules, or none until it is settled. */
  readonly strategy: Strategy;
  /** The current object as the request sees it. */
  show(current: KubeObject): KubeObject;
  /** What the request makes, in the version of the rules. */
  settle(draft: Mutable<KubeObject>): Mutable<KubeObject>;
}

export function requestVersion(resource: Resource, registry: Registry): RequestVersion {
  const own = apiVersionOf(registry.resource);
  const asked = apiVersionOf(resource);
  if (own === asked) return { strategy: registry.strategy, show: current => current, settle: draft => draft };
  return {
    strategy: {},
    show: current => convertObject(current, asked),
    settle(draft) {
      const object = convertObject(draft as KubeObject, own);
      applyDefaults(registry.resource.typeName, object);
      registry.strategy.default?.(object);
      return object;
    },
  };
}
