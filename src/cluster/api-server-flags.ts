// Fields of `spec.apiServer` by the names of kube-apiserver's flags, on the command line of `k8ts server` too.
import { resolve } from 'node:path';
import { parseBool } from '../api/feature-gates.ts';
import { parseDuration } from '../api/scalar.ts';
import { messageOf } from '../base/assert.ts';
import { type ApiServerFiles, apiServerFields, type FieldKind } from './api-server-fields.ts';

type Field = keyof typeof apiServerFields;

// What Kubernetes writes in one word.
const names: Readonly<Record<string, string>> = {
  auditLogMaxAge: 'audit-log-maxage',
  auditLogMaxBackup: 'audit-log-maxbackup',
  auditLogMaxSize: 'audit-log-maxsize',
};

/** `auditLogPath` is `audit-log-path`. */
export const flagOf = (field: string): string =>
  names[field] ?? field.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);

const kinds = apiServerFields as Readonly<Record<Field, FieldKind>>;
const fields = new Map((Object.keys(kinds) as Field[]).map(field => [flagOf(field), field]));

/** For `parseArgs`. */
export const apiServerFlags = Object.fromEntries(
  [...fields.keys()].map(flag => [flag, { type: 'string', multiple: true } as const]),
);

/** A boolean flag alone is true, as Go's flags have it. */
export const withTruth = (arg: string): string => {
  const field = fields.get(arg.replace(/^--/, ''));
  return field && arg.startsWith('--') && kinds[field] === 'boolean' ? `${arg}=true` : arg;
};

const emptyIsNone: ReadonlySet<FieldKind> = new Set(['file', 'output', 'text']);

/** Of what `parseArgs` found. Throws in the words of kube-apiserver. */
export function readApiServerFlags(values: Readonly<Record<string, unknown>>): ApiServerFiles | undefined {
  const given: Record<string, unknown> = {};
  for (const [flag, field] of fields) {
    const texts = values[flag] as readonly string[] | undefined;
    if (texts === undefined) continue;
    const kind = kinds[field];
    // As Go's flags have it: nobody gave it, whatever the file says.
    if (texts.at(-1) === '' && emptyIsNone.has(kind)) {
      given[field] = undefined;
      continue;
    }
    try {
      given[field] = readValue(texts, kind);
    } catch (error) {
      const why = messageOf(error);
      throw new Error(`invalid argument ${JSON.stringify(texts.at(-1))} for "--${flag}" flag: ${why}`, {
        cause: error,
      });
    }
  }
  return Object.keys(given).length ? (given as ApiServerFiles) : undefined;
}

function readValue(texts: readonly string[], kind: FieldKind): unknown {
  const last = texts.at(-1)!;
  const unreadable = (parser: string) =>
    new Error(`strconv.${parser}: parsing ${JSON.stringify(last)}: invalid syntax`);
  switch (kind) {
    case 'texts':
    case 'files': {
      const all = texts.flatMap(text => text.split(',')).filter(text => text !== '');
      return kind === 'files' ? all.map(file => resolve(file)) : all;
    }
    case 'integer':
      if (!/^[+-]?\d+$/.test(last)) throw unreadable('ParseInt');
      return Number(last);
    case 'number':
      if (last.trim() === '' || Number.isNaN(Number(last))) throw unreadable('ParseFloat');
      return Number(last);
    case 'boolean': {
      const truth = parseBool(last);
      if (truth === undefined) throw unreadable('ParseBool');
      return truth;
    }
    case 'duration':
      parseDuration(last);
      return last;
    case 'file':
      return resolve(last);
    case 'output':
      return last === '-' ? last : resolve(last);
    default:
      return last;
  }
}
