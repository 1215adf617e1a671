// Tables of custom kinds: the columns their definition names.
import { type KubeObject, parseTime } from '../../api/meta.ts';
import type { CustomForm } from '../../api/structural/custom-form.ts';
import { type JsonPath, JsonPathError, parseJsonPath } from '../../api/structural/json-path.ts';
import { jsonText } from '../../base/json-text.ts';
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
  // A path nobody can read ends the columns.
  const bad = asked.findIndex(c => !pathOf(c.jsonPath));
  const columns = asked.slice(0, bad < 0 ? undefined : bad).map(c => {
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
      path: pathOf(c.jsonPath)!,
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

function firstAt(path: JsonPath, object: KubeObject): unknown {
  try {
    return path.find(object)[0];
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}

function cell(path: JsonPath, type: string, object: KubeObject, nowMs: number): unknown {
  const value = firstAt(path, object);
  if (value === undefined || value === null) return null;
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  switch (type) {
    case 'integer':
      return isNumber ? int64Of(value) : null;
    case 'number':
      return isNumber ? Number(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? age(value, nowMs) : null;
    default:
      return text(value);
  }
}

const [leastInt64, pastInt64] = [-(2n ** 63n), 2n ** 63n];

/** The whole part, as Go casts it: what does not fit becomes the least of all. */
function int64Of(value: number | bigint): number | bigint {
  const whole = typeof value === 'bigint' ? value : Math.trunc(value);
  return whole < leastInt64 || whole >= pastInt64 ? leastInt64 : whole;
}

const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function age(value: string, nowMs: number): string {
  if (value === '') return '<unknown>';
  const at = time.test(value) ? parseTime(value) : undefined;
  return at === undefined ? '<invalid>' : humanDuration(nowMs - at);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : jsonText(value));
