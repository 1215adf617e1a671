// What operations are put together from: parameters, bodies, answers.
import type { Describer } from '../../api/description.ts';
import { schemaOf } from '../../api/schema.ts';
import type { Json } from './schema.ts';

export const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** The media types of a resource's operations. */
export interface Forms {
  /** What a body may come as. */
  readonly body: readonly string[];
  readonly object: readonly string[];
  /** What a list or a watch may come as besides. */
  readonly stream: readonly string[];
  readonly patch: readonly string[];
  /** Of a patch. */
  readonly patched: readonly number[];
}

export const objectTypes = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'];

export const builtinForms: Forms = {
  body: ['*/*'],
  object: objectTypes,
  stream: ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch'],
  patch: patchTypes,
  patched: [200, 201],
};

/** Clients take from this what they may send. */
export const customForms: Forms = {
  body: ['application/json', 'application/yaml'],
  object: ['application/json', 'application/yaml'],
  stream: [],
  patch: patchTypes.filter(t => !t.includes('strategic')),
  patched: [200],
};

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

const content = (name: string, types: readonly string[]): Json =>
  Object.fromEntries(types.map(t => [t, { schema: ref(name) }]));

const codeTexts: Record<number, string> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };

export const answers = (name: string, codes: readonly number[], types: readonly string[]): Json => ({
  ...Object.fromEntries(codes.map(c => [String(c), { description: codeTexts[c], content: content(name, types) }])),
  401: { description: 'Unauthorized' },
});

export const textAnswer = (types: readonly string[]): Json => ({
  200: { description: 'OK', content: Object.fromEntries(types.map(t => [t, { schema: { type: 'string' } }])) },
  401: { description: 'Unauthorized' },
});

export const pathParameter = (name: string, description: string): Json => ({
  name,
  in: 'path',
  description,
  required: true,
  schema: { type: 'string', uniqueItems: true },
});

export const pretty: Json = {
  name: 'pretty',
  in: 'query',
  description: "Whether to indent the answer: 'true' or 'false'.",
  schema: { type: 'string', uniqueItems: true },
};

const queryTypes: Record<string, string> = { int32: 'integer', int64: 'integer', bool: 'boolean' };

/** The fields of an options type as query parameters. */
export function queryOf(typeName: string, describe: Describer, leave: readonly string[] = []): Json[] {
  return schemaOf(typeName)
    .fields.filter(f => !['kind', 'apiVersion', 'preconditions', ...leave].includes(f.name))
    .map(f => {
      const type = f.type.kind === 'list' ? f.type.item : f.type;
      const scalar = type.kind === 'scalar' ? type.scalar : 'string';
      const description = describe.field(typeName, f.name);
      return {
        name: f.name,
        in: 'query',
        ...(description ? { description } : {}),
        schema: { type: queryTypes[scalar] ?? 'string', uniqueItems: true },
      };
    });
}

/** Creates and replacements of `body`, by the name of their options type. */
export const writing = (
  options: 'CreateOptions' | 'UpdateOptions',
  body: string,
  describe: Describer,
  forms: Forms,
): Json => ({
  parameters: queryOf(meta + options, describe),
  requestBody: { content: content(body, forms.body), required: true },
  responses: answers(body, options === 'CreateOptions' ? [200, 201, 202] : [200, 201], forms.object),
});

export const patching = (answer: string, describe: Describer, forms: Forms): Json => ({
  parameters: queryOf(`${meta}PatchOptions`, describe),
  requestBody: { content: content(`${meta}Patch`, forms.patch), required: true },
  responses: answers(answer, forms.patched, forms.object),
});

export const deleting = (
  answer: string,
  codes: readonly number[],
  parameters: readonly Json[],
  forms: Forms,
): Json => ({
  parameters,
  requestBody: { content: content(`${meta}DeleteOptions`, forms.body) },
  responses: answers(answer, codes, forms.object),
});
