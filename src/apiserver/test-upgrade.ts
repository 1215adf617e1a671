// Objects that kubectl applied on its own side, then on the server's, and what apiextensions-apiserver v0.36.2 answered
// (testdata/apply-upgrade.json; test/interop/record-upgrade.ts asks again).
import { readFileSync } from 'node:fs';
import { applyPatch, type Caller, type Json, mergePatch } from './test-caller.ts';

export const testdata = new URL('testdata/apply-upgrade.json', import.meta.url);
export const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export interface Step {
  readonly by: string;
  readonly how: 'create' | 'merge' | 'apply' | 'force';
  readonly data: Json;
  /** What the annotation says to have been applied; a text as it stands. */
  readonly last?: Json;
}

export interface Case {
  readonly says: string;
  readonly steps: readonly Step[];
  /** To the last step. */
  readonly answer?: Json;
}

export const cases = (): Case[] => JSON.parse(readFileSync(testdata, 'utf8')) as Case[];

// An annotation holds less.
const big = 'x'.repeat(256 << 10);
const replaced = (value: Json, from: string, to: string): Json =>
  JSON.parse(JSON.stringify(value ?? null).replaceAll(from, to));
const grown = (data: Json): Json => replaced(data, 'BIG', big);
const shrunk = (data: Json): Json => replaced(data, big, 'BIG');

/** Takes the steps; the answer to the last, with the names of the kind as `KIND` and `VERSION`. */
export async function take(api: Caller, many: string, kind: string, apiVersion: string, at: number, { steps }: Case) {
  const name = `upgrade-${at}`;
  let reply: Json;
  for (const { by, how, data, last } of steps) {
    const said = typeof last === 'string' ? last : JSON.stringify({ apiVersion, kind, metadata: { name }, ...last });
    const annotations = { [lastApplied]: said.replaceAll('VERSION', apiVersion).replaceAll('KIND', kind) };
    const body = {
      apiVersion,
      kind,
      metadata: { name, ...(last === undefined ? {} : { annotations }) },
      data: grown(data),
    };
    const query = `?fieldManager=${by}${how === 'force' ? '&force=true' : ''}`;
    reply =
      how === 'create'
        ? await api.send('POST', `${many}${query}`, body)
        : await api.send('PATCH', `${many}/${name}${query}`, body, how === 'merge' ? mergePatch : applyPatch);
  }
  const { code, object } = reply;
  const generic = (text: string | undefined) => text?.replaceAll(apiVersion, 'VERSION').replaceAll(kind, 'KIND');
  if (code >= 400) return { code, message: generic(object.message) };
  const fields = object.metadata.managedFields.map((e: Json) => [`${e.manager} ${e.operation}`, e.fieldsV1]);
  return {
    code,
    data: shrunk(object.data),
    last: generic(object.metadata.annotations?.[lastApplied])?.replaceAll(name, 'NAME'),
    owners: Object.fromEntries(fields.sort()),
  };
}

/** Of a custom kind that holds what a ConfigMap does. */
export const dataSchema = {
  type: 'object',
  properties: { data: { type: 'object', additionalProperties: { type: 'string' } } },
};
