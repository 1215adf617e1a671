// What fields are for, in words of this project: data beside this file, one file a group version.
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** By type (its short name), then by field; '' describes the type itself. */
export type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

const folder = new URL('description/', import.meta.url);

/** Names of the files: `core.v1`, `meta.v1`. */
export const descriptionFiles = (): string[] =>
  readdirSync(folder)
    .filter(f => f.endsWith('.json'))
    .map(f => f.slice(0, -5))
    .sort();

function load(file: string): Descriptions {
  const url = new URL(`${file}.json`, folder);
  return existsSync(url) ? (JSON.parse(readFileSync(url, 'utf8')) as Descriptions) : {};
}

/** `io.k8s.api.core.v1.Pod` is in file `core.v1`. */
const fileOf = (typeName: string): string => typeName.split('.').slice(-3, -1).join('.');

const kindFields: Record<string, string> = {
  apiVersion: 'Group and version of this form of the object, as in apps/v1; v1 alone for the core group.',
  kind: 'Name of the kind in CamelCase, as in Pod. Cannot be changed.',
  metadata: 'Name, namespace, labels and what else every object has.',
  spec: 'What is wanted.',
  status: 'What is the case, as last observed; written by the system.',
  items: 'The objects of the list.',
};

export interface Describer {
  type(typeName: string): string;
  field(typeName: string, field: string): string;
}

/** Reads files as types are asked for; keep it only as long as a document is made. */
export function createDescriber(): Describer {
  const files = new Map<string, Descriptions>();
  const of = (typeName: string) => {
    const file = fileOf(typeName);
    let descriptions = files.get(file);
    if (!descriptions) {
      descriptions = load(file);
      files.set(file, descriptions);
    }
    return descriptions[typeName.slice(typeName.lastIndexOf('.') + 1)];
  };
  return {
    type: typeName => of(typeName)?.[''] ?? '',
    field: (typeName, field) => of(typeName)?.[field] ?? (Object.hasOwn(kindFields, field) ? kindFields[field]! : ''),
  };
}
