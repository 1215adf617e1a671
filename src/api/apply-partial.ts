// Merging a configuration that owns nothing: what mutating policies do.
import { mergeFields } from './apply-merge.ts';
import type { Shape } from './shape.ts';

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** `config` over `live`, lists by their keys. Neither is changed. */
export const mergeApplied = (shape: Shape, live: unknown, config: unknown): unknown => mergeFields(shape, live, config);

/** Paths of the atomic lists, maps and structs that a configuration states, joined; '' when there are none. */
export function applyAtomics(shape: Shape, config: unknown): string {
  const found: string[] = [];
  walk(shape, config, '', found);
  return found.join(', ');
}

function walk(shape: Shape, value: unknown, at: string, found: string[]): void {
  if (!isObject(value)) return;
  switch (shape.kind) {
    case 'leaf':
      found.push(at);
      return;
    case 'list':
      if (Array.isArray(value)) for (const [i, item] of value.entries()) walk(shape.item, item, `${at}[${i}]`, found);
      return;
    case 'struct':
      for (const [name, inner] of Object.entries(value)) {
        const field = shape.field(name);
        if (field) walk(field, inner, `${at}.${name}`, found);
      }
      return;
    case 'map':
      for (const [name, inner] of Object.entries(value)) walk(shape.value, inner, `${at}.${name}`, found);
      return;
    default:
  }
}
