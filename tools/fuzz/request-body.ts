// Bodies of requests, in every form there is: good ones, such with other values of the right types, and broken ones.
import { encodeProtobuf } from '../../src/api/protobuf.ts';
import { type AskedKind, apiVersionOf, goodObject } from './asked-kind.ts';
import { anyValue, type Chance, oddTexts } from './chance.ts';
import { mutateBytes, mutateJson } from './mutate.ts';
import { mutateTyped } from './typed-mutation.ts';
import { typedObject } from './typed-value.ts';
import { jsonPatchOf, mergePatchOf } from './value-targets.ts';

export interface Body {
  readonly body: Buffer | undefined;
  readonly type: string;
}

export interface Wanted {
  readonly kind: AskedKind;
  readonly subresource: string;
  readonly method: string;
  readonly name: string;
  /** The object as it is, when the request is to change it. */
  readonly current: Record<string, unknown> | undefined;
}

const deleteOptionsType = 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions';
const patchTypes = [
  ...['application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json'],
  ...['application/apply-patch+yaml', 'application/apply-patch+yaml'],
];
const oddTypes = [
  'constructor',
  '__proto__',
  '',
  'text/plain',
  'application/cbor',
  'application/apply-patch+cbor',
  'application/json;charset=x',
  '/',
  'multipart/form-data',
];

export function bodyOf(c: Chance, wanted: Wanted): Body {
  const { method } = wanted;
  if (method === 'GET') return { body: c.once(50) ? Buffer.from('{}') : undefined, type: 'application/json' };
  if (method === 'DELETE') return c.once(2) ? { body: undefined, type: 'application/json' } : deleteBody(c);
  const made = method === 'PATCH' ? patchBody(c, wanted) : objectBody(c, wanted);
  return c.once(60) ? { ...made, type: c.pick(oddTypes) } : made;
}

function deleteBody(c: Chance): Body {
  const good = {
    ...{ kind: 'DeleteOptions', apiVersion: c.pick(['v1', 'apps/v1', 'meta.k8s.io/v1', 'x']) },
    ...(c.once(2)
      ? { propagationPolicy: c.pick(['Foreground', 'Background', 'Orphan']) }
      : { gracePeriodSeconds: c.below(3) }),
    ...(c.once(4) ? { preconditions: { uid: 'x', resourceVersion: '1' } } : {}),
    ...(c.once(3) ? { dryRun: ['All'] } : {}),
  };
  const value = c.once(3) ? good : c.once(2) ? mutateTyped(c, deleteOptionsType, good) : mutateJson(c, good);
  return inForm(c, value, deleteOptionsType);
}

function objectBody(c: Chance, wanted: Wanted): Body {
  const { kind, subresource } = wanted;
  const sub = kind.subresources.get(subresource);
  const typeName = sub && sub.kind !== kind.kind ? '' : kind.typeName;
  return inForm(c, objectOf(c, wanted), typeName);
}

/** The object the request is about, changed more or less. */
function objectOf(c: Chance, wanted: Wanted): unknown {
  const { kind, subresource, name, current } = wanted;
  const sub = kind.subresources.get(subresource);
  const own =
    current ??
    (c.once(8) && kind.typeName ? typedObject(c, kind.typeName, 6, 3) : goodObject(c, kind, subresource, name));
  const object = {
    ...{ apiVersion: sub?.apiVersion ?? apiVersionOf(kind), kind: sub?.kind || kind.kind },
    ...own,
    metadata: c.once(12) ? own.metadata : { ...own.metadata, name },
  };
  const typed = kind.typeName && (!sub || sub.kind === kind.kind);
  switch (c.below(8)) {
    case 0:
      return object;
    case 1:
    case 2:
      return mutateJson(c, object);
    case 3:
      // Of a good object one part that the schema allows.
      return typed
        ? { ...object, ...pickOne(c, typedObject(c, kind.typeName, 7, 2)), metadata: object.metadata }
        : mutateJson(c, object);
    default:
      return typed ? mutateTyped(c, kind.typeName, object) : c.once(2) ? object : mutateJson(c, object);
  }
}

function pickOne(c: Chance, fields: Record<string, unknown>): Record<string, unknown> {
  const keys = Object.keys(fields).filter(k => k !== 'metadata');
  if (keys.length === 0) return {};
  const key = c.pick(keys);
  return { [key]: fields[key] };
}

function patchBody(c: Chance, wanted: Wanted): Body {
  const type = c.pick(patchTypes);
  if (type.includes('json-patch'))
    return { body: textOf(c, wanted.current && !c.once(4) ? fittingPatch(c, wanted.current) : jsonPatchOf(c)), type };
  const object = objectOf(c, wanted);
  if (type.includes('apply')) return { body: textOf(c, c.once(2) ? withoutManaged(object) : object), type };
  return { body: textOf(c, c.once(2) ? partOf(c, object) : mergePatchOf(c, object)), type };
}

const withoutManaged = (object: unknown): unknown => {
  const { metadata, ...rest } = (object ?? {}) as Record<string, any>;
  if (typeof metadata !== 'object' || metadata === null) return object;
  const { managedFields: _, uid: __, resourceVersion: ___, ...kept } = metadata;
  return { ...rest, metadata: kept };
};

/** Some branches of the object. */
function partOf(c: Chance, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return c.once(8) ? anyValue(c, 2) : value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(() => !c.once(2))
      .map(([k, v]) => [k, c.once(12) ? null : partOf(c, v)]),
  );
}

/** Operations on places that the object has. */
function fittingPatch(c: Chance, object: Record<string, unknown>): unknown {
  const places: [path: string, value: unknown][] = [['', object]];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, child] of Object.entries(value)) {
      const at = `${path}/${key.replace(/~/g, '~0').replace(/\//g, '~1')}`;
      places.push([at, child]);
      if (Array.isArray(child))
        places.push([`${at}/-`, child[0]], [`${at}/${c.pick(['01', '-1', '99', '1e0', 'length'])}`, child[0]]);
      walk(child, at);
    }
  };
  walk(object, '');
  return Array.from({ length: 1 + c.below(4) }, () => {
    const [path, value] = c.pick(places);
    const other = c.once(2) ? value : c.once(2) ? c.pick(places)[1] : anyValue(c, 2);
    const op = c.pick(['add', 'remove', 'replace', 'replace', 'move', 'copy', 'test']);
    return {
      op,
      path,
      ...(op === 'remove' ? {} : { value: other }),
      ...(op === 'move' || op === 'copy' ? { from: c.pick(places)[0] } : {}),
    };
  });
}

function inForm(c: Chance, value: unknown, typeName: string): Body {
  if (c.once(5) && typeName)
    try {
      const bytes = Buffer.from(encodeProtobuf(typeName, value as never));
      return { body: c.once(3) ? mutateBytes(c, bytes) : bytes, type: 'application/vnd.kubernetes.protobuf' };
    } catch {
      // It has values that no message can hold.
    }
  return { body: textOf(c, value), type: c.once(6) ? 'application/yaml' : 'application/json' };
}

const oddFigures = [
  '9223372036854775807',
  '9223372036854775808',
  '-0',
  '1.0',
  '1E2',
  '1e400',
  '12345678901234567890',
  '0.1',
];

function textOf(c: Chance, value: unknown): Buffer {
  let text = JSON.stringify(value) ?? '';
  // Numbers that JavaScript writes otherwise.
  if (c.once(12)) text = text.replace(/(?<=[:,[])\d+(?=[,\]}])/g, figure => (c.once(3) ? c.pick(oddFigures) : figure));
  if (c.once(150)) text = deep(c, text);
  if (c.once(60)) text = text.replace('{', () => `{${JSON.stringify(c.pick(oddTexts))}:1,"metadata":{"name":"x"},`);
  const bytes = Buffer.from(text);
  return c.once(14) ? mutateBytes(c, bytes) : bytes;
}

/** Somewhere in it, what is nested deeper than anybody reads. */
function deep(c: Chance, text: string): string {
  const levels = c.pick([50, 500, 9_999, 10_001, 50_000]);
  const [open, close] = c.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['{"properties":{"a":', '}}'],
    ['{"items":', '}'],
  ] as const);
  return text.replace(/:("[^"]*"|\d+|\{\}|\[\])(?=[,}])/, () => `:${open.repeat(levels)}1${close.repeat(levels)}`);
}
