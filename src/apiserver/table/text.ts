// Texts that cells of many kinds are made of.
import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import type { Container, PodTemplateSpec } from '../../api/type/core-v1.ts';
import type { LabelSelector } from '../../api/type/meta-v1.ts';

export const none = '<none>';
export const unset = '<unset>';
export const unknown = '<unknown>';

/** `a=b,c=d` by key; `<none>` for no labels. */
export function mapText(map: Readonly<Record<string, string>> | undefined): string {
  const keys = Object.keys(map ?? {}).sort();
  return keys.length ? keys.map(k => `${k}=${map![k]}`).join(',') : none;
}

/** A label selector's text; `<none>` when it selects everything, `<error>` when it is none. */
export function selectorText(selector: LabelSelector | undefined): string {
  if (!selector) return none;
  try {
    return selectorFromLabelSelector(selector).toString() || none;
  } catch {
    return '<error>';
  }
}

/** Names and images of a template's containers. */
export function containerTexts(template: { spec?: { containers?: readonly Container[] } } | undefined): string[] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(c => c.name).join(','), containers.map(c => c.image ?? '').join(',')];
}

/** Containers, images and selector: the last columns of everything that makes pods. */
export function podTexts(template: PodTemplateSpec | undefined, selector: LabelSelector | undefined): string[] {
  return [...containerTexts(template), selectorText(selector)];
}

const shown = 3;

/** The first three, and how many more there are. */
export function firstOf(items: readonly string[], nothing: string, separator = ','): string {
  if (items.length === 0) return nothing;
  const text = items.slice(0, shown).join(separator);
  return items.length > shown ? `${text} + ${items.length - shown} more...` : text;
}

export const hostAndPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

export const sortedUnique = (items: Iterable<string>): string[] => [...new Set(items)].sort();

export interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export const conditionOf = <C extends ConditionLike>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined => conditions?.find(c => c.type === type);

export const isTrue = (conditions: readonly ConditionLike[] | undefined, type: string): boolean =>
  conditionOf(conditions, type)?.status === 'True';

/** The name of a class, marked when one of these annotations makes it the default. */
export const defaultName = (
  metadata: { name?: string; annotations?: Readonly<Record<string, string>> },
  annotations: readonly string[],
): string =>
  annotations.some(k => metadata.annotations?.[k] === 'true') ? `${metadata.name} (default)` : (metadata.name ?? '');
