// Reads configuration files of k8ts.dev: one YAML document, field by field, with all that is wrong told at once.
import { isScalar, parseAllDocuments } from 'yaml';
import { FieldErrors, type FieldPath } from '../api/field-error.ts';
import { messageOf } from '../base/assert.ts';

/** What the file says that it must not; worded like the API server's answer. */
export class ConfigError extends Error {
  override name = 'ConfigError';
}

/** The value of the one document; others may be there, when they are empty. */
export function readDocument(text: string, source: string): unknown {
  const fail = (why: string): ConfigError => new ConfigError(`reading ${source}: ${why}`);
  const documents = [...parseAllDocuments(text, { uniqueKeys: true })];
  const broken = documents.flatMap(d => d.errors)[0];
  if (broken) throw fail(broken.message.split('\n')[0]!.replace(/:$/, ''));
  const [document, other] = documents.filter(({ contents: c }) => c !== null && !(isScalar(c) && c.value === null));
  if (other) throw fail('it holds several documents, where one is read');
  try {
    return document?.toJS();
  } catch (error) {
    // Aliases of nothing, and too many.
    throw fail(messageOf(error));
  }
}

export const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Takes fields out of a map with their types checked; what nobody took is unknown. */
export class Reader {
  readonly errors = new FieldErrors();
  readonly #unknown: string[] = [];

  map(value: unknown, at: FieldPath, known: readonly string[]): Record<string, unknown> {
    if (value === undefined || value === null) return {};
    if (!isMap(value)) {
      this.errors.typeInvalid(at, value, 'must be a map');
      return {};
    }
    for (const key of Object.keys(value)) if (!known.includes(key)) this.#unknown.push(`${at}` ? `${at}.${key}` : key);
    return value;
  }

  typed<T>(value: unknown, at: FieldPath, type: 'string' | 'number' | 'boolean'): T | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === type) return value as T;
    this.errors.typeInvalid(at, value, `must be a ${type}`);
    return undefined;
  }

  integer(value: unknown, at: FieldPath, min: number, max: number): number | undefined {
    const n = this.typed<number>(value, at, 'number');
    if (n === undefined) return undefined;
    if (Number.isInteger(n) && n >= min && n <= max) return n;
    this.errors.invalid(at, n, `must be between ${min} and ${max}, inclusive`);
    return undefined;
  }

  finish(source: string, name: string): void {
    if (this.#unknown.length) {
      const list = this.#unknown.map(f => `unknown field ${JSON.stringify(f)}`).join(', ');
      throw new ConfigError(`reading ${source}: strict decoding error: ${list}`);
    }
    const { list } = this.errors;
    if (list.length === 0) return;
    const said = list.map(e => `${e.field}: ${e.message}`);
    throw new ConfigError(
      `reading ${source}: The ClusterConfiguration ${JSON.stringify(name)} is invalid: ` +
        (said.length === 1 ? said[0] : `\n${said.map(s => `* ${s}`).join('\n')}`),
    );
  }
}
