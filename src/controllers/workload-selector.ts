import { nothing, type Selector, selectorFromLabelSelector } from '../api/label-selector.ts';
import type { LabelSelector } from '../api/type/meta-v1.ts';

interface Selecting {
  readonly spec?: { readonly selector?: LabelSelector };
}

const selectors = new WeakMap<Selecting, Selector>();

/** The selector of a workload, made once an object. An invalid or empty one selects nothing. */
export function workloadSelector(owner: Selecting): Selector {
  let selector = selectors.get(owner);
  if (!selector) {
    try {
      selector = selectorFromLabelSelector(owner.spec?.selector);
      // It would take everything in the namespace.
      if (selector.empty) selector = nothing();
    } catch {
      selector = nothing();
    }
    selectors.set(owner, selector);
  }
  return selector;
}

/** The selector is there, and empty. */
export function selectsAll({ spec }: Selecting): boolean {
  const { matchLabels = {}, matchExpressions = [] } = spec?.selector ?? {};
  return !!spec?.selector && Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}
