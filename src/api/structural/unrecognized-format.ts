// Formats that a schema names and nobody knows: told when a definition is written.

import { isPlain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { isKnownFormatOf } from './format.ts';

/** Each once, in the order they are met. */
export function unrecognizedFormats(schema: JSONSchemaProps, found = new Set<string>()): Set<string> {
  const { type = 'string', format } = schema;
  if (format && !isKnownFormatOf(type, format)) found.add(format);
  const { properties = {}, items, additionalProperties, allOf = [], oneOf = [], anyOf = [], not } = schema;
  for (const child of [...Object.values(properties), items, additionalProperties, ...allOf, ...oneOf, ...anyOf, not])
    if (isPlain(child)) unrecognizedFormats(child as JSONSchemaProps, found);
  return found;
}
