// Expressions that select devices: `device.attributes["gpu.example.com"].model == "x"`.
import { messageOf } from '../../base/assert.ts';
import type { Device } from '../type/resource-v1.ts';
import { type CelProgram, PER_CALL_LIMIT } from './cel.ts';
import { compile } from './compile.ts';
import { quantity, semver } from './lib/kinds.ts';
import * as t from './type.ts';
import { type CelField, type CelType, typeText } from './type.ts';
import { CelMap, type CelValue, ValueMap } from './value.ts';

/** As the API bounds them; what an expression may cost is estimated from these. */
const MAX_DRIVER = 63;
const MAX_DOMAIN = 63;
const MAX_ID = 32;
const MAX_VALUE = 64;
const MAX_PER_DEVICE = 32;
/** Of an expression, estimated and spent. */
export const DEVICE_COST_LIMIT: number = PER_CALL_LIMIT;

const sized = (kind: 'string' | 'dyn', maxSize: number): CelType => ({ kind, maxSize });
const byDomain = (value: CelType): CelType =>
  t.map(sized('string', MAX_DOMAIN), t.map(sized('string', MAX_ID), value, MAX_PER_DEVICE), MAX_PER_DEVICE);

const deviceType = t.objectType(
  'kubernetes.DRADevice',
  () =>
    new Map<string, CelField>(
      Object.entries({
        driver: sized('string', MAX_DRIVER),
        attributes: byDomain(sized('dyn', MAX_VALUE)),
        capacity: byDomain(t.opaque('kubernetes.Quantity')),
        allowMultipleAllocations: t.bool,
      }).map(([name, type]) => [name, { name, type }]),
    ),
);

const environment = { variables: { device: deviceType }, bindings: true };

export type DeviceCompileResult =
  | { readonly program: CelProgram; readonly error?: undefined }
  | { readonly program?: undefined; readonly error: string };

const KEPT = 1000;
const compiled = new Map<string, DeviceCompileResult>();

/** The same text is compiled once. The error is what Kubernetes says of the expression. */
export function compileDeviceSelector(expression: string): DeviceCompileResult {
  let result = compiled.get(expression);
  if (!result) {
    result = compileNew(expression);
    if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
    compiled.set(expression, result);
  }
  return result;
}

function compileNew(expression: string): DeviceCompileResult {
  const { program, error } = compile(expression, environment);
  if (error) return { error: `compilation failed: ${error.message}` };
  const { type } = program;
  if (type.kind !== 'bool' && type.kind !== 'dyn')
    return { error: `must evaluate to bool or the unknown type, not ${typeText(type)}` };
  return { program };
}

/** Asking for a domain that the device has nothing of gives an empty map, so that the error names the attribute. */
class Domains extends CelMap {
  readonly #known: ReadonlyMap<string, ValueMap>;

  constructor(known: ReadonlyMap<string, ValueMap>) {
    super();
    this.#known = known;
  }

  get size(): number {
    return this.#known.size;
  }

  get(key: CelValue): CelValue {
    return (typeof key === 'string' ? this.#known.get(key) : undefined) ?? empty;
  }

  override has(key: CelValue): boolean {
    return typeof key === 'string' && this.#known.has(key);
  }

  keys(): Iterable<string> {
    return this.#known.keys();
  }
}

const empty = new ValueMap();

function domains<T>(
  values: Readonly<Record<string, T>> | undefined,
  driver: string,
  read: (v: T) => CelValue,
): Domains {
  const known = new Map<string, ValueMap>();
  for (const [name, value] of Object.entries(values ?? {})) {
    const slash = name.indexOf('/');
    const map = known.getOrInsertComputed(slash < 0 ? driver : name.slice(0, slash), () => new ValueMap());
    map.set(name.slice(slash + 1), read(value));
  }
  return new Domains(known);
}

/** What `device` is for this one. Throws CelFault for a version or a quantity that is none. */
export function deviceBindings(device: Device, driver: string): { readonly device: object } {
  return {
    device: {
      driver,
      attributes: () =>
        domains(device.attributes, driver, a => {
          if (a.int !== undefined) return BigInt(a.int);
          if (a.version !== undefined) return semver(a.version);
          return a.bool ?? a.string ?? null;
        }),
      capacity: () => domains(device.capacity, driver, c => quantity(c.value)),
      allowMultipleAllocations: device.allowMultipleAllocations === true,
    },
  };
}

/** Throws an error with what went wrong. */
export function selectsDevice(program: CelProgram, bindings: { readonly device: object }): boolean {
  let result: ReturnType<CelProgram['evaluate']>;
  try {
    result = program.evaluate(bindings, { costLimit: DEVICE_COST_LIMIT });
  } catch (error) {
    throw new Error(messageOf(error), { cause: error });
  }
  if (!result.ok) throw new Error(result.error.message);
  if (typeof result.value !== 'boolean') throw new Error('CEL result of type was not boolean');
  return result.value;
}
