// Tables of custom kinds: the columns their definition names.
import { type KubeObject, parseTime } from '../../api/meta.ts';
import type { CustomForm } from '../../api/structural/custom-form.ts';
import { type JsonPath, JsonPathError, parseJsonPath } from '../../api/structural/json-path.ts';
import { humanDuration } from '../table/human-duration.ts';
import type { ColumnDefinition, Printer } from '../table/printer.ts';

const nameColumn: ColumnDefinition = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Name of the object.',
  priority: 0,
};

const ageColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since the object was created.',
};

const printers = new WeakMap<CustomForm, Printer>();

export function customPrinter(form: CustomForm): Printer {
  let printer = printers.get(form);
  if (!printer) {
    printer = makePrinter(form);
    printers.set(form, printer);
  }
  return printer;
}

function makePrinter(form: CustomForm): Printer {
  const asked = form.columns.length ? form.columns : [ageColumn];
  const columns = asked.map(c => {
    const given = 'format' in c ? c.format : undefined;
    const priority = 'priority' in c ? c.priority : undefined;
    return {
      definition: {
        name: c.name,
        type: c.type,
        format: given ?? '',
        description: c.description ?? `Custom resource definition column (in JSONPath format): ${c.jsonPath}`,
        priority: priority ?? 0,
      },
      path: pathOf(c.jsonPath),
    };
  });
  return {
    columns: [nameColumn, ...columns.map(c => c.definition)],
    cells: (object, nowMs) => [
      object.metadata.name,
      ...columns.map(({ definition, path }) => cell(path, definition.type, object, nowMs)),
    ],
  };
}

function pathOf(text: string): JsonPath | undefined {
  try {
    return parseJsonPath(text);
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

function cell(path: JsonPath | undefined, type: string, object: KubeObject, nowMs: number): unknown {
  const found = path?.find(object) ?? [];
  const value = found[0];
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null;
    case 'number':
      return typeof value === 'number' || typeof value === 'bigint' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date': {
      const at = typeof value === 'string' ? parseTime(value) : undefined;
      return at === undefined ? '<invalid>' : humanDuration(nowMs - at);
    }
    default:
      return text(value);
  }
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
