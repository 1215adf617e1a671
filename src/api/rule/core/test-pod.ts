import { cloneDeep, type Mutable } from '../../meta.ts';
import type { Container, Pod, PodSpec } from '../../type/core-v1.ts';
import { create, ruleContext, update } from '../testing.ts';
import { podStrategy } from './pod.ts';

export type Loose<T> = { [K in keyof T]?: any };

export const podOf = (spec: Loose<PodSpec> = {}, container: Loose<Container> = {}, metadata: object = {}): unknown => ({
  metadata: { name: 'p', namespace: 'default', ...metadata },
  spec: { containers: [{ name: 'c', image: 'nginx', ...container }], ...spec },
});
export const causes = (spec: Loose<PodSpec> = {}, container: Loose<Container> = {}, metadata: object = {}): string[] =>
  create(podStrategy, podOf(spec, container, metadata)).errors;
/** A pod as the server would have stored it. */
export const stored = (spec: Loose<PodSpec> = {}, container: Loose<Container> = {}, over: Loose<Pod> = {}): Pod => {
  const { object } = create(podStrategy, podOf(spec, container));
  return { ...object, ...over, metadata: { ...object.metadata, resourceVersion: '1', ...over.metadata } };
};
export const changed = (old: Pod, change: (pod: Mutable<Pod>) => void, subresource = ''): string[] => {
  const pod = cloneDeep(old);
  change(pod);
  return update(podStrategy, pod, old, ruleContext(subresource)).errors;
};
