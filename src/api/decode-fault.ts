// Finds what is wrong with a value that does not fit its type, and says it as Kubernetes does. Slow; only for faults.
import { append } from '../base/append.ts';
import { own } from '../base/own.ts';
import { isInt64 } from '../base/whole-number.ts';
import { isWritten, type WrittenNumber, writtenText, writtenValue } from '../base/written-number.ts';
import { isPlain } from './patch/plain.ts';
import { parseQuantity, QuantityError, quantityFormatError } from './quantity.ts';
import { canonicalBase64, canonicalMicroTime, canonicalTime, parseDuration, ScalarError } from './scalar.ts';
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';
import { badRequest, type StatusError } from './status.ts';

/** `Pod in version "v1" cannot be handled as a Pod: …` for a value that does not decode. */
export function undecodable(typeName: string, why: string): StatusError {
  const { gvk, shortName } = schemaOf(typeName);
  const [, version, kind] = gvk !== '*' && gvk[0] ? gvk[0] : ['', 'v1', shortName];
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`);
}

/** The error for a value that `normalize` refused. */
export function explainFault(typeName: string, value: unknown): StatusError {
  const walk = new Walk();
  walk.struct(typeName, value, '', '');
  return undecodable(
    typeName,
    walk.fault ?? `json: cannot unmarshal ${jsonKind(value)} into Go value of type ${schemaOf(typeName).goName}`,
  );
}

/** What does not fit in a value of this type, in Go's words; undefined when all fits. */
export function faultIn(typeName: string, value: unknown): string | undefined {
  const walk = new Walk();
  walk.struct(typeName, value, '', '');
  return walk.fault;
}

/** Adds the paths of fields the type does not have, in the order they stand in. */
export function findUnknown(typeName: string, value: unknown, unknown: string[]): void {
  const walk = new Walk();
  walk.struct(typeName, value, '', '');
  append(unknown, walk.unknown);
}

/** Where a value stands: its Go struct, the dotted path Go names, and the path with indices. */
interface Place {
  readonly struct: string;
  readonly goPath: string;
  readonly path: string;
  readonly field: FieldSchema | undefined;
}

const join = (a: string, b: string) => (a ? `${a}.${b}` : b);

class Walk {
  fault: string | undefined;
  /** Inside of how many types that decode themselves. */
  #ownDecoding = 0;
  readonly unknown: string[] = [];

  struct(typeName: string, value: unknown, goPath: string, path: string): void {
    if (!isPlain(value)) return;
    const schema = schemaOf(typeName);
    for (const [name, child] of Object.entries(value)) {
      const field = schema.byName.get(name);
      if (!field) {
        if (!this.#ownDecoding) this.unknown.push(join(path, name));
      } else if (child !== null && child !== undefined) {
        this.#value(field.type, child, {
          struct: schema.shortName,
          goPath: join(goPath, name),
          path: join(path, name),
          field,
        });
      }
    }
  }

  #value(type: TypeRef, value: unknown, at: Place): void {
    if (type.kind === 'struct') {
      if (isPlain(value)) this.struct(type.name, value, at.goPath, at.path);
      else this.#mismatch(type, value, at);
    } else if (type.kind === 'list') {
      if (!Array.isArray(value)) {
        this.#mismatch(type, value, at);
        return;
      }
      for (const [i, item] of value.entries())
        if (item !== null) this.#value(type.item, item, { ...at, path: `${at.path}[${i}]` });
    } else if (type.kind === 'map') {
      if (!isPlain(value)) {
        this.#mismatch(type, value, at);
        return;
      }
      for (const [key, item] of Object.entries(value))
        if (item !== null) this.#value(type.value, item, { ...at, path: join(at.path, key) });
    } else this.#scalar(type, value, at);
  }

  #scalar(type: TypeRef & { kind: 'scalar' }, value: unknown, at: Place): void {
    if (type.via && /\.JSONSchemaPropsOr\w+$/.test(type.via)) {
      this.#variant(type.via, value, at);
      return;
    }
    try {
      if (!fits(type.scalar, value)) this.#mismatch(type, value, at);
    } catch (error) {
      if (!(error instanceof ScalarError || error instanceof QuantityError)) throw error;
      this.fault ??= error.message;
    }
  }

  // It decodes itself, and minds no unknown field. What is neither a schema nor a list of them is none.
  #variant(via: string, value: unknown, at: Place): void {
    const name = via.replace(/Or\w+$/, '');
    const props: TypeRef = { kind: 'struct', name };
    if (typeof value !== 'object' || (via.endsWith('OrBool') && Array.isArray(value))) {
      if (via.endsWith('OrBool') && typeof value !== 'boolean') this.fault ??= 'boolean or JSON schema expected';
      return;
    }
    this.#ownDecoding++;
    this.#either(via, props, value, at);
    this.#ownDecoding--;
  }

  #either(via: string, props: TypeRef, value: unknown, at: Place): void {
    if (Array.isArray(value) && !via.endsWith('OrBool')) {
      const item: TypeRef = via.endsWith('OrStringArray') ? { kind: 'scalar', scalar: 'string' } : props;
      this.#value({ kind: 'list', item }, value, at);
    } else this.#value(props, value, at);
  }

  #mismatch(type: TypeRef, value: unknown, at: Place): void {
    this.fault ??= mismatchText(type, value, at);
  }
}

function mismatchText(type: TypeRef, value: unknown, at: Place): string {
  if (type.kind === 'scalar' && type.scalar === 'Quantity') return quantityFormatError;
  const shown = type.kind === 'scalar' && !texts.has(type.scalar) ? numberText(value) : jsonKind(value);
  const wanted = type.kind === 'scalar' ? own(readAs, type.scalar) : undefined;
  return `json: cannot unmarshal ${shown} into Go struct field ${at.struct}.${at.goPath} of type ${wanted ?? uidOf(at) ?? goType(type, at.field)}`;
}

// These decode themselves, from another type.
const readAs: Readonly<Record<string, string>> = {
  Time: 'string',
  MicroTime: 'string',
  Duration: 'string',
  IntOrString: 'int32',
};
const texts = new Set(['bool', 'bytes', 'string', 'Time', 'MicroTime', 'Duration']);

const withUid = new Set(['AdmissionResponse', 'ObjectMeta', 'ObjectReference', 'OwnerReference', 'Preconditions']);

const uidOf = ({ struct, field }: Place): string | undefined =>
  field?.name === 'uid' && withUid.has(struct) ? 'types.UID' : undefined;

function fits(scalar: string, value: unknown): boolean {
  switch (scalar) {
    case 'string':
      return typeof value === 'string';
    case 'bool':
      return typeof value === 'boolean';
    case 'int32':
      return typeof value === 'number' && (value | 0) === value;
    case 'int64':
      return Number.isSafeInteger(value) || (typeof value === 'bigint' && isInt64(value));
    case 'double':
      return isNumber(value) && isFiniteNumber(value);
    case 'IntOrString':
      return typeof value === 'string' || (typeof value === 'number' && (value | 0) === value);
    case 'Quantity':
      if (typeof value !== 'string' && !isNumber(value)) return false;
      parseQuantity(typeof value === 'string' ? value.trim() : isWritten(value) ? writtenText(value) : value);
      return true;
    case 'Time':
      return typeof value === 'string' && canonicalTime(value) !== '';
    case 'MicroTime':
      return typeof value === 'string' && canonicalMicroTime(value) !== '';
    case 'Duration':
      return typeof value === 'string' && !Number.isNaN(parseDuration(value));
    case 'bytes':
      return typeof value === 'string' && canonicalBase64(value) !== undefined;
    default:
      return true;
  }
}

const isNumber = (value: unknown): value is number | bigint | WrittenNumber =>
  typeof value === 'number' || typeof value === 'bigint' || isWritten(value);

const isFiniteNumber = (value: unknown): boolean => !isWritten(value) || Number.isFinite(writtenValue(value));

export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (isNumber(value)) return 'number';
  return typeof value === 'boolean' ? 'bool' : value === null ? 'null' : typeof value;
}

// Where a number was asked for, a number that does not fit is named.
const numberText = (value: unknown) =>
  isNumber(value) ? `number ${isWritten(value) ? writtenText(value) : value}` : jsonKind(value);

function goType(type: TypeRef, field: FieldSchema | undefined): string {
  if (type.kind === 'struct') return schemaOf(type.name).goName;
  if (type.kind === 'list') return type.via ? schemaOf(type.via).goName : `[]${goType(type.item, field)}`;
  if (type.kind === 'map') {
    const resources = type.value.kind === 'scalar' && type.value.scalar === 'Quantity';
    return resources ? 'v1.ResourceList' : `map[string]${goType(type.value, field)}`;
  }
  switch (type.scalar) {
    case 'string':
      return field?.constants ? field.constants.split('.').slice(-2).join('.') : 'string';
    case 'double':
      return 'float64';
    case 'bytes':
      return '[]uint8';
    default:
      return type.via ? schemaOf(type.via).goName : type.scalar;
  }
}
