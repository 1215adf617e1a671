// OpenAPI 2 of all built-in kinds beside @kubernetes/client-node, which is made from kube-apiserver's of 1.36: every
// operation with its path, parameters, body and answers, every model with its fields.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import { methods } from './paths.ts';
import type { Json } from './schema.ts';
import { builtinV2 } from './version2.ts';

const generated = new URL('./dist/gen/', new URL('../../../node_modules/@kubernetes/client-node/', import.meta.url));
const files = (folder: string, end: string) =>
  readdirSync(new URL(folder, generated))
    .filter(f => f.endsWith(end))
    .map(f => readFileSync(new URL(`${folder}/${f}`, generated), 'utf8'));
const all = (text: string, pattern: RegExp): string[][] => [...text.matchAll(pattern)].map(m => m.slice(1) as string[]);

interface Operation {
  readonly id: string;
  readonly query: readonly string[];
  readonly required: readonly string[];
  readonly body: string | undefined;
  readonly consumes: readonly string[];
  /** `200 V1Pod` */
  readonly answers: readonly string[];
}

function theirOperations(): Map<string, Operation> {
  const found = new Map<string, Operation>();
  for (const text of files('apis', 'Api.js')) {
    const [requests = '', answers = ''] = text.split('ApiResponseProcessor {');
    const answersOf = new Map(
      answers.split('\n    async ').map(part => [/^\w+?(?=WithHttpInfo\()/.exec(part)?.[0], part]),
    );
    for (const part of requests.split('\n    async ').slice(1)) {
      const id = /^\w+/.exec(part)![0];
      const [method] = all(part, /makeRequestContext\(localVarPath, HttpMethod\.(\w+)\)/g)[0]!;
      const [path] = all(part, /localVarPath = '([^']+)'/g)[0]!;
      const told = answersOf.get(id)!.split('// Work around')[0]!;
      found.set(`${method} ${path}`, {
        id,
        query: all(part, /setQueryParam\("(\w+)", ObjectSerializer\.serialize\(\w+, "([^"]+)", "([^"]*)"/g)
          .map(q => q.join(':'))
          .sort(),
        required: all(part, /new RequiredError\("\w+", "\w+", "(\w+)"\)/g)
          .map(r => r[0]!)
          .sort(),
        body: all(part, /ObjectSerializer\.serialize\(body, "([^"]+)"/g)[0]?.[0],
        // There is no CBOR here.
        consumes: all(/getPreferredMediaType\(\[([^\]]*)\]/.exec(part)?.[1] ?? '', /"([^"]+)"/g)
          .map(c => c[0]!)
          .filter(c => !c.includes('cbor')),
        answers: told
          .split('isCodeInRange(')
          .slice(1)
          .map(of => `${/^"(\d+)"/.exec(of)![1]} ${/deserialize\([^"]*"([^"]+)"/.exec(of)?.[1] ?? ''}`)
          .sort(),
      });
    }
  }
  return found;
}

interface Model {
  /** `name type format`, with a star where it is required. */
  readonly fields: readonly string[];
}

function theirModels(): Map<string, Model> {
  const found = new Map<string, Model>();
  const types = files('models', '.d.ts');
  for (const [i, text] of files('models', '.js').entries()) {
    const map = /attributeTypeMap = (\[[\s\S]*?\n\]);/.exec(text)?.[1];
    if (!map) continue;
    const fields = (JSON.parse(map) as { name: string; baseName: string; type: string; format: string }[]).map(f => {
      const required = types[i]!.includes(`\n    '${f.name}': `);
      // The client tells these two kinds of times apart by a format of its own.
      return `${f.baseName}${required ? '*' : ''} ${f.type} ${f.format.replace('-micro', '')}`;
    });
    found.set(/export class (\w+)/.exec(text)![1]!, { fields: fields.sort() });
  }
  return found;
}

const { definitions, paths } = await builtinV2({ resources: builtinResources().resources, version: 'v1.36.2' });

const models = theirModels();

const title = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** `V1Pod`; `CoreV1Event`, where several groups have one. */
function modelOf(name: string): string {
  const [group = '', version = '', type = ''] = name.split('.').slice(-3);
  const long = title(group) + title(version) + title(type);
  return models.has(long) ? long : title(version) + title(type);
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1.';
const aliases: Record<string, string> = {
  [`${meta}Time`]: 'Date date-time',
  [`${meta}MicroTime`]: 'V1MicroTime date-time',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'IntOrString int-or-string',
};

function typeOf(schema: Json): string {
  const name = typeof schema.$ref === 'string' ? schema.$ref.slice('#/definitions/'.length) : undefined;
  if (name) {
    const definition = definitions.get(name)!;
    return aliases[name] ?? (definition.properties ? `${modelOf(name)} ` : typeOf(definition));
  }
  const inside = (of: unknown, wrap: (type: string) => string) => {
    const [, type = '', format = ''] = /^(.*) (\S*)$/.exec(typeOf(of as Json))!;
    return `${wrap(type)} ${format}`;
  };
  if (schema.type === 'array') return inside(schema.items, t => `Array<${t}>`);
  if (schema.type === 'object' && schema.additionalProperties)
    return inside(schema.additionalProperties, t => `{ [key: string]: ${t}; }`);
  if (schema.type === 'object' || !schema.type) return 'any ';
  return `${schema.type === 'integer' ? 'number' : schema.type} ${schema.format ?? ''}`;
}

function ourOperation(item: Json, operation: Json): Operation {
  const parameters = [...((operation.parameters ?? []) as Json[]), ...((item.parameters ?? []) as Json[])];
  const body = parameters.find(p => p.in === 'body');
  const tag = (operation.tags as string[])[0]!.split('_').map(title).join('');
  return {
    id: String(operation.operationId).replace(tag, ''),
    query: parameters
      .filter(p => p.in === 'query')
      .map(p => `${p.name}:${p.type === 'integer' ? 'number' : p.type}:`)
      .sort(),
    required: parameters
      .filter(p => p.required)
      .map(p => String(p.name))
      .sort(),
    body: body && typeOf(body.schema as Json).trim(),
    consumes: body ? (operation.consumes as string[]).filter(c => c !== '*/*') : [],
    answers: Object.entries(operation.responses as Record<string, Json>)
      .map(([code, { schema }]) => `${code} ${schema ? typeOf(schema as Json).trim() : ''}`)
      .sort(),
  };
}

test('every operation', () => {
  const theirs = theirOperations();
  const served = new Set(builtinResources().resources.map(r => `/apis/${r.group}/${r.version}/`));
  const seen = new Set<string>();
  for (const [path, item] of paths)
    for (const method of Object.keys(item).filter(key => methods.has(key))) {
      // The client knows no older form of watches.
      if (/^\/apis?\/([^/]+\/)?v\w+\/watch\//.test(path)) continue;
      const id = `${method.toUpperCase()} ${path}`;
      seen.add(id);
      assert.deepEqual(ourOperation(item, item[method] as Json), theirs.get(id), id);
    }
  const lacking = [...theirs.keys()].filter(id => {
    const path = id.slice(id.indexOf(' ') + 1);
    // It also holds versions of earlier releases.
    const gone = path.startsWith('/apis/') && path.split('/').length > 4 && ![...served].some(s => path.startsWith(s));
    return !seen.has(id) && !gone && !/^\/(logs|apis\/\{group\})/.test(path);
  });
  assert.deepEqual(lacking, []);
  assert.ok(seen.size > 850, `${seen.size} operations`);
});

test('every model', () => {
  let compared = 0;
  for (const [name, { properties, required = [] }] of definitions) {
    if (!properties || name in aliases) continue;
    compared++;
    const fields = Object.entries(properties as Record<string, Json>).map(
      ([field, schema]) => `${field}${(required as string[]).includes(field) ? '*' : ''} ${typeOf(schema)}`,
    );
    assert.deepEqual(fields.sort(), models.get(modelOf(name))?.fields, name);
  }
  assert.ok(compared > 650, `${compared} models`);
});
