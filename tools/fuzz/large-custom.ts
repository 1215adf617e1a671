// Custom kinds: objects of schemas that cost something, and schemas that are large themselves.
import {
  type Body,
  dry,
  fill,
  map,
  merge,
  patch,
  post,
  remove,
  type Scenario,
  short,
  text,
  writes,
} from './large-request.ts';

type Json = any;

const definition = (plural: string, schema: Json, more: Json = {}): string =>
  JSON.stringify({
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.large.example.com` },
    spec: {
      group: 'large.example.com',
      scope: 'Namespaced',
      names: { plural, singular: plural.slice(0, -1), kind: plural[0]!.toUpperCase() + plural.slice(1, -1) },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: schema } } },
          ...more,
        },
      ],
    },
  });

/** A default at the bottom, beside what is given: there keys come out of order. */
function deepSchema(depth: number): Json {
  let schema: Json = {
    type: 'object',
    properties: { a: { type: 'string', default: 'x' }, b: { type: 'string' } },
  };
  for (let level = 0; level < depth; level++) schema = { type: 'object', properties: { p: schema } };
  return schema;
}

const deepValue = (depth: number, mark: string): string =>
  `${'{"p":'.repeat(depth)}{"b":"${mark}"}${'}'.repeat(depth)}`;

export function* customRequests(bytes: number): Generator<Scenario> {
  const crds = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  const kinds: Record<string, { schema: Json; more?: Json; items: (mark: string) => string; small: string }> = {
    frees: {
      schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      items: mark => map(bytes, n => `"${mark}${short(n)}":1`),
      small: '{}',
    },
    lists: {
      schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      items: mark => `{"a":${fill(bytes, () => (mark === 'a' ? '{}' : '1'))}}`,
      small: '{}',
    },
    maps: {
      schema: { type: 'object', additionalProperties: { type: 'integer' } },
      items: mark => map(bytes, n => `"${mark}${short(n)}":1`),
      small: '{}',
    },
    keyeds: {
      schema: {
        type: 'array',
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
        items: { type: 'object', required: ['k'], properties: { k: { type: 'string' } } },
      },
      items: mark => fill(bytes, n => `{"k":"${mark}${short(n)}"}`),
      small: '[]',
    },
    deeps: { schema: deepSchema(24), items: mark => deepValue(24, mark), small: '{}' },
    sets: {
      schema: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
      items: mark => fill(bytes, n => `"${mark}${short(n)}"`),
      small: '[]',
    },
    numbers: {
      schema: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'integer' } },
      items: mark => fill(bytes, n => `${(mark === 'a' ? 0 : 1_000_000) + n}`),
      small: '[]',
    },
    objects: {
      schema: {
        type: 'array',
        'x-kubernetes-list-type': 'set',
        items: { type: 'object', 'x-kubernetes-map-type': 'atomic', properties: { k: { type: 'string' } } },
      },
      items: mark => fill(bytes, n => `{"k":"${mark}${short(n)}"}`),
      small: '[]',
    },
    items: {
      schema: { type: 'array', items: { type: 'object', properties: { k: { type: 'string', default: 'a' } } } },
      items: () => fill(bytes, () => '{}'),
      small: '[]',
    },
    prunes: {
      schema: { type: 'array', items: { type: 'object', properties: { k: { type: 'string' } } } },
      items: mark => fill(bytes, n => `{"${mark}${short(n)}":1}`),
      small: '[]',
    },
    wrongs: {
      schema: { type: 'array', items: { type: 'object', properties: { k: { type: 'string' } } } },
      items: () => fill(bytes, () => '{"k":1}'),
      small: '[]',
    },
    patterns: {
      schema: { type: 'array', items: { type: 'string', pattern: '^[a-z]([-a-z0-9]*[a-z0-9])?$' } },
      items: mark => fill(bytes, n => `"${mark}${short(n)}"`),
      small: '[]',
    },
    texts: {
      schema: { type: 'array', items: { type: 'string', pattern: '(a|b|ab)*c' } },
      items: () => `["${text(bytes, 'ab')}"]`,
      small: '[]',
    },
    formats: {
      schema: { type: 'array', items: { type: 'string', format: 'date-time' } },
      items: () => fill(bytes, () => '"2026-01-01T00:00:00Z"'),
      small: '[]',
    },
    durations: {
      schema: { type: 'array', items: { type: 'string', format: 'duration' } },
      items: () => `["${text(bytes, '1h')}"]`,
      small: '[]',
    },
    enums: {
      schema: { type: 'array', items: { type: 'string', enum: Array.from({ length: 1000 }, (_, n) => `e${n}`) } },
      items: () => fill(bytes, () => '"e999"'),
      small: '[]',
    },
    uniques: {
      schema: {
        type: 'array',
        maxItems: 1_000_000,
        items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
      },
      items: mark => fill(bytes, n => `{"${mark}":${n}}`),
      small: '[]',
    },
    oneofs: {
      schema: {
        type: 'array',
        items: {
          type: 'object',
          properties: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`p${n}`, { type: 'integer' }])),
          oneOf: Array.from({ length: 20 }, (_, n) => ({ required: [`p${n}`] })),
        },
      },
      items: () => fill(bytes, () => '{}'),
      small: '[]',
    },
    rules: {
      schema: {
        type: 'array',
        maxItems: 1000,
        items: {
          type: 'object',
          properties: { k: { type: 'string', maxLength: 10_000 } },
          'x-kubernetes-validations': [{ rule: 'self.k.size() >= 0' }],
        },
      },
      items: mark => fill(50_000, n => `{"k":"${mark}${short(n)}"}`),
      small: '[]',
    },
    quicks: {
      schema: {
        type: 'array',
        maxItems: 200_000,
        items: { type: 'integer', maximum: 10_000_000, 'x-kubernetes-validations': [{ rule: 'self >= 0' }] },
      },
      items: mark => `[${Array.from({ length: 200_000 }, (_, n) => (mark === 'a' ? n : n + 1))}]`,
      small: '[]',
    },
    embeddeds: {
      schema: {
        type: 'array',
        items: { type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true },
      },
      items: mark => fill(bytes, n => `{"apiVersion":"v1","kind":"A","metadata":{"name":"${mark}${short(n)}"}}`),
      small: '[]',
    },
    columns: {
      schema: { type: 'object', additionalProperties: { type: 'string' } },
      more: {
        additionalPrinterColumns: Array.from({ length: 50 }, (_, n) => ({
          name: `c${n}`,
          type: 'string',
          jsonPath: '.spec.*',
        })),
      },
      items: mark => map(bytes, n => `"${mark}${short(n)}":""`),
      small: '{}',
    },
  };
  for (const [plural, { schema, more, items, small }] of Object.entries(kinds)) {
    yield { name: `definition of ${plural}`, request: post(crds, definition(plural, schema, more)) };
    const kind = plural[0]!.toUpperCase() + plural.slice(1, -1);
    const of = (spec: string): Body => ({ kind, apiVersion: 'large.example.com/v1', rest: `"spec":${spec}` });
    yield* writes(
      `custom ${plural}`,
      `/apis/large.example.com/v1/namespaces/default/${plural}`,
      of(small),
      of(items('a')),
      of(items('b')),
    );
  }
  const schemas: Record<string, string> = {
    properties: `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{"type":"string"}`)}}`,
    'empty properties': `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{}`)}}`,
    enum: `{"type":"string","enum":${fill(bytes, n => `"${short(n)}"`)}}`,
    'enum alike': `{"type":"string","enum":${fill(bytes, () => '1')}}`,
    required: `{"type":"object","required":${fill(bytes, n => `"${short(n)}"`)}}`,
    allOf: `{"type":"object","allOf":${fill(bytes, () => '{}')}}`,
    anyOf: `{"type":"object","anyOf":${fill(bytes, () => '{"required":["a"]}')}}`,
    default: `{"type":"object","x-kubernetes-preserve-unknown-fields":true,"default":${map(bytes, n => `"${short(n)}":1`)}}`,
    'default alike': `{"type":"array","items":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"default":${fill(bytes, () => '{}')}}`,
    defaults: `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{"type":"string","default":"a"}`)}}`,
    patterns: `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{"type":"string","pattern":"^${short(n)}$"}`)}}`,
    'a pattern': `{"type":"string","pattern":"${text(bytes, 'a?')}"}`,
    rules: `{"type":"object","x-kubernetes-validations":${fill(bytes, n => `{"rule":"true || ${n} == 0"}`)}}`,
    'a rule': `{"type":"object","x-kubernetes-validations":[{"rule":"${text(bytes, '1 + ')}1 == 1"}]}`,
    'rules alike': `{"type":"object","x-kubernetes-validations":${fill(bytes, () => '{"rule":"true"}')}}`,
    'wrong rules': `{"type":"object","x-kubernetes-validations":${fill(bytes, () => '{"rule":"a"}')}}`,
    'wrong types': `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{"type":"a"}`)}}`,
    'rules of properties': `{"type":"object","properties":${map(bytes, n => `"${short(n)}":{"type":"string","maxLength":9,"x-kubernetes-validations":[{"rule":"self != ''"}]}`)}}`,
    'rule over properties': `{"type":"object","x-kubernetes-validations":[{"rule":"has(self.p1)"}],"properties":${map(bytes, n => `"p${short(n)}":{"type":"string"}`)}}`,
    'rules over properties': `{"type":"object","x-kubernetes-validations":${fill(bytes / 2, () => '{"rule":"has(self.p1)"}')},"properties":${map(bytes / 2, n => `"p${short(n)}":{"type":"string"}`)}}`,
    'map keys': `{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":${fill(bytes, n => `"${short(n)}"`)},"items":{"type":"object"}}`,
    description: `{"type":"object","description":"${text(bytes, 'a')}"}`,
    depth: `${'{"type":"object","properties":{"a":'.repeat(2000)}{"type":"object"}${'}}'.repeat(2000)}`,
  };
  for (const [name, schema] of Object.entries(schemas)) {
    const made = definition('bigs', '@').replace('"@"', () => schema);
    yield { name: `schema: ${name}`, request: post(`${crds}?${dry}`, made) };
  }
  for (const name of ['properties', 'enum', 'default', 'defaults', 'patterns', 'rule over properties']) {
    const plural = `bigs${name.replaceAll(' ', '')}s`;
    const made = definition(plural, '@').replace('"@"', () => schemas[name]!);
    const kind = plural[0]!.toUpperCase() + plural.slice(1, -1);
    const folder = `/apis/large.example.com/v1/namespaces/default/${plural}`;
    yield { name: `schema kept: ${name}`, request: post(crds, made) };
    yield {
      name: `object of schema: ${name}`,
      request: post(
        folder,
        `{"apiVersion":"large.example.com/v1","kind":"${kind}","metadata":{"name":"x"},"spec":${name === 'enum' ? '"a"' : '{}'}}`,
      ),
    };
    yield {
      name: `wrong object of schema: ${name}`,
      request: post(folder, `{"apiVersion":"large.example.com/v1","kind":"${kind}","metadata":{"name":"y"},"spec":1}`),
    };
    yield {
      name: `definition relabelled: ${name}`,
      request: patch(`${crds}/${plural}.large.example.com`, '{"metadata":{"labels":{"a":"b"}}}', merge),
    };
    yield {
      name: `openapi v3 with schema: ${name}`,
      request: { method: 'GET', path: '/openapi/v3/apis/large.example.com/v1' },
    };
    yield { name: `openapi v2 with schema: ${name}`, request: { method: 'GET', path: '/openapi/v2' } };
    yield { name: `definition gone: ${name}`, request: remove(`${crds}/${plural}.large.example.com`) };
  }
  const columns = (item: (n: number) => string) =>
    definition('bigs', { type: 'object' }).replace(
      '"storage":true',
      () => `"storage":true,"additionalPrinterColumns":${fill(bytes, item)}`,
    );
  yield {
    name: 'definition: columns',
    request: post(
      `${crds}?${dry}`,
      columns(n => `{"name":"${short(n)}","type":"string","jsonPath":".a"}`),
    ),
  };
  yield {
    name: 'definition: a column',
    request: post(
      `${crds}?${dry}`,
      definition('bigs', { type: 'object' }).replace(
        '"storage":true',
        () =>
          `"storage":true,"additionalPrinterColumns":[{"name":"a","type":"string","jsonPath":"${text(bytes, '.a')}"}]`,
      ),
    ),
  };
  yield {
    name: 'definition: fields to select',
    request: post(
      `${crds}?${dry}`,
      definition('bigs', { type: 'object' }).replace(
        '"storage":true',
        () => `"storage":true,"selectableFields":${fill(bytes, n => `{"jsonPath":".spec.${short(n)}"}`)}`,
      ),
    ),
  };
  yield {
    name: 'definition: names',
    request: post(
      `${crds}?${dry}`,
      definition('bigs', { type: 'object' }).replace(
        '"plural"',
        () => `"shortNames":${fill(bytes, n => `"${short(n)}"`)},"plural"`,
      ),
    ),
  };
}
