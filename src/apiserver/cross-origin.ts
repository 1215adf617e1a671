// Pages of other origins that may ask, as a browser asks for them: --cors-allowed-origins.
import { RE2JS } from 're2js';
import { messageOf } from '../base/assert.ts';

const help =
  "List of allowed origins for CORS, comma separated. An allowed origin can be a regular expression to support subdomain matching. If this list is empty CORS will not be enabled. Please ensure each expression matches the entire hostname by anchoring to the start with '^' or including the '//' prefix, and by anchoring to the end with '$' or including the ':' port separator suffix. Examples of valid expressions are '//example\\.com(:|$)' and '^https://example\\.com(:|$)'";

const allowed = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE, PATCH',
  'access-control-allow-headers':
    'Content-Type, Content-Length, Accept-Encoding, X-CSRF-Token, Authorization, X-Requested-With, If-Modified-Since',
  'access-control-expose-headers': 'Date',
  'access-control-allow-credentials': 'true',
};

/** Of the answer to who comes from this origin; undefined when nobody from there may ask. */
export type CrossOrigin = (origin: string | undefined) => Readonly<Record<string, string>> | undefined;

/** Throws in kube-apiserver's words. */
export function crossOrigin(expressions: readonly string[]): CrossOrigin {
  const origins = expressions.map(compile);
  return origin =>
    origin && origins.some(expression => expression.matcher(origin).find())
      ? { 'access-control-allow-origin': origin, ...allowed }
      : undefined;
}

function compile(text: string): RE2JS {
  const refuse = (why: string) =>
    new Error(`--cors-allowed-origins has an invalid regular expression: ${why}, help: ${help}`);
  if (!/\^|\/\//.test(text) || !/[$:]/.test(text))
    throw refuse('regular expression does not pin to start/end of host in the origin header');
  try {
    return RE2JS.compile(text);
  } catch (error) {
    throw refuse(messageOf(error));
  }
}
