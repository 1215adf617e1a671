// JSON for people: indented by two spaces.
import { jsonText } from '../base/json-text.ts';
import { parseExactJson } from '../base/whole-number.ts';
import type { Exchange } from './http/exchange.ts';
import type { Renderer } from './render.ts';

const browsers = /^(curl|Wget|Mozilla\/5\.0)/;

/** `?pretty=true` says so; without it a browser or curl is taken for a person. */
export function wantsPretty({ query, headers }: Exchange): boolean {
  const asked = query.get('pretty');
  if (asked) return /^(1|t|true)$/i.test(asked);
  return browsers.test(headers['user-agent'] ?? '');
}

const indented = (json: Uint8Array): Buffer => Buffer.from(jsonText(parseExactJson(Buffer.from(json).toString()), 2));

/** The same objects and lists, indented. Watches stay one event a line. */
export function prettyRenderer(renderer: Renderer): Renderer {
  return {
    ...renderer,
    parts: undefined,
    object: stored => indented(renderer.object(stored)),
    *list(result) {
      yield indented(Buffer.concat([...renderer.list(result)]));
    },
  };
}
