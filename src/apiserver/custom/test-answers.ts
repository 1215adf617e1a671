// Requests about definitions and custom objects with what apiextensions-apiserver answered (testdata/README.md).
import { readFileSync } from 'node:fs';
import type { Caller, Json, Reply } from '../test-caller.ts';
import { definitions } from './test-definition.ts';

export const files = ['definitions.json', 'costs.json', 'objects.json'] as const;
export const testdata = (file: string): URL => new URL(`testdata/${file}`, import.meta.url);

export const group = 'recorded.example.com';

/** A definition is that of widgets, with one property of one version, or with another schema, versions, spec or metadata. */
export interface Case {
  readonly property?: Json;
  readonly schema?: Json;
  readonly versions?: Json;
  readonly spec?: Json;
  readonly metadata?: Json;
  /** Of an object: the kind, and what its spec holds. */
  readonly kind?: string;
  readonly object?: Json;
  readonly answer?: Answer;
}

export interface Answer {
  readonly code: number;
  readonly warning?: string;
  /** Without causes. */
  readonly message?: string;
  /** `Invalid spec.scope: …`, sorted: Go walks maps as it likes. Types of CEL have a name of their own each time. */
  readonly causes?: readonly string[];
}

export const casesOf = (file: string): Case[] => JSON.parse(readFileSync(testdata(file), 'utf8')) as Case[];

/** Of the kinds that objects in the record are of. */
export const kinds = (): Json[] => JSON.parse(readFileSync(testdata('kinds.json'), 'utf8')) as Json[];

function definitionOf({ property, schema, versions, spec, metadata }: Case): Json {
  const whole = schema === undefined ? { type: 'object' } : schema;
  const openAPIV3Schema = property === undefined ? whole : { type: 'object', properties: { p: property } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `widgets.${group}`, ...metadata },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions:
        versions === undefined ? [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema } }] : versions,
      ...spec,
    },
  };
}

const objectOf = ({ kind, object }: Case): Json => ({
  apiVersion: `${group}/v1`,
  kind,
  metadata: { name: 'x' },
  spec: object,
});

/** Asks, and changes nothing. */
export async function ask(api: Caller, asked: Case): Promise<Answer> {
  const [path, body] =
    asked.kind === undefined
      ? [definitions, definitionOf(asked)]
      : [`/apis/${group}/v1/namespaces/default/${asked.kind.toLowerCase()}s`, objectOf(asked)];
  return answerOf(await api.send('POST', `${path}?dryRun=All`, body));
}

function answerOf({ code, object, headers }: Reply): Answer {
  const causes = (object.details?.causes as Json[] | undefined)?.map(
    c => `${c.reason.replace('FieldValue', '')} ${c.field}: ${c.message.replace(/selfType\d+/g, 'object')}`,
  );
  return {
    code,
    ...(headers.warning ? { warning: String(headers.warning) } : {}),
    ...(code >= 400 && !causes ? { message: object.message } : {}),
    ...(causes ? { causes: causes.sort() } : {}),
  };
}
