// x-kubernetes-validations: the rules of a schema, checked when a definition is written and run on every object.
import { quote } from '../../base/quote.ts';
import { type CelProgram, PER_CALL_LIMIT, RUNTIME_COST_BUDGET } from '../cel/cel.ts';
import { compile } from '../cel/compile.ts';
import { celTypeOfSchema, type StructuralSchema } from '../cel/schema.ts';
import * as t from '../cel/type.ts';
import { adapt, CelOptional } from '../cel/value.ts';
import { FieldErrors, FieldPath } from '../field-error.ts';
import { keyElement } from '../field-set.ts';
import { equalJson, isPlain } from '../patch/plain.ts';
import type { ValidationRule } from '../type/apiextensions-v1.ts';
import { parseJsonPath } from './json-path.ts';
import { type Structural, schemaAt } from './structural.ts';
import type { Old } from './value-rule.ts';

export interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: CelProgram | undefined;
  /** Why the rule does not compile. */
  readonly fault: string;
  readonly message: CelProgram | undefined;
  readonly messageFault: string;
  readonly usesOldSelf: boolean;
}

const compiled = new WeakMap<Structural, readonly CompiledRule[]>();

/** Of the node itself; compiled when first asked for. */
export function rulesOf(s: Structural, root: boolean): readonly CompiledRule[] {
  let rules = compiled.get(s);
  if (!rules) {
    // One type for all of them: its fields are gone through when the first rule asks for one.
    const self = s.rules.length ? (celTypeOfSchema(s.source as StructuralSchema, root) ?? t.dyn) : t.dyn;
    rules = s.rules.map(rule => compileRule(self, rule));
    compiled.set(s, rules);
  }
  return rules;
}

function compileRule(self: t.CelType, rule: ValidationRule): CompiledRule {
  const variables = { self, oldSelf: rule.optionalOldSelf ? t.optional(self) : self };
  const { program, error } = compile(rule.rule, { variables, output: [t.bool], schema: self });
  const message = rule.messageExpression
    ? compile(rule.messageExpression, { variables, output: [t.string], schema: self })
    : undefined;
  return {
    rule,
    program,
    fault: error?.message ?? '',
    message: message?.program,
    messageFault: message?.error?.message ?? '',
    usesOldSelf: program?.variables.has('oldSelf') === true || message?.program?.variables.has('oldSelf') === true,
  };
}

/**
 * Runs all rules on an object. With the old one, what has not changed may go on breaking rules, unless they look at it:
 * `tolerated` gets that.
 */
export function validateRules(
  schema: Structural,
  value: unknown,
  old: Old,
  errors: FieldErrors,
  tolerated = new FieldErrors(),
): void {
  if (schema.hasRules) new Run(errors, tolerated).node(schema, value, undefined, old, false, true);
}

/** Runs the rules on a default, which is its own former value. */
export function validateDefaultRules(schema: Structural, value: unknown, at: FieldPath, errors: FieldErrors): void {
  if (schema.hasRules) new Run(errors, errors).node(schema, value, at, { value }, false, false);
}

class Run {
  readonly #errors: FieldErrors;
  readonly #tolerated: FieldErrors;
  #budget = RUNTIME_COST_BUDGET;

  constructor(errors: FieldErrors, tolerated: FieldErrors) {
    this.#errors = errors;
    this.#tolerated = tolerated;
  }

  node(s: Structural, value: unknown, at: FieldPath | undefined, old: Old, unchanged: boolean, root: boolean): void {
    if (!s.hasRules || this.#budget < 0 || value === undefined) return;
    if (value === null && s.nullable) return;
    const same = old ? equalJson(value, old.value) : unchanged;
    for (const compiled of rulesOf(s, root)) {
      this.#rule(compiled, s, value, at, old, same);
      if (this.#budget < 0) return;
    }
    if (Array.isArray(value)) this.#items(s, value, at, old, same);
    else if (isPlain(value)) {
      const was = isPlain(old?.value) ? old.value : undefined;
      for (const key of Object.keys(value)) {
        const child = schemaAt(s, key);
        if (!child?.hasRules) continue;
        const path = s.properties.has(key) || !at ? (at?.child(key) ?? new FieldPath(key)) : at.key(key);
        const before = was && Object.hasOwn(was, key) ? { value: was[key] } : undefined;
        this.node(child, value[key], path, before, same, false);
      }
    }
  }

  #items(s: Structural, value: readonly unknown[], at: FieldPath | undefined, old: Old, same: boolean): void {
    const { items } = s;
    if (!items?.hasRules) return;
    const name = (item: unknown) =>
      keyElement(s.listKeys.map(k => [k, isPlain(item) ? (item[k] ?? null) : null] as const));
    const former =
      s.listType === 'map' && Array.isArray(old?.value)
        ? new Map((old.value as unknown[]).map(item => [name(item), item]))
        : undefined;
    for (const [i, item] of value.entries()) {
      const id = former && name(item);
      const before = former && id !== undefined && former.has(id) ? { value: former.get(id) } : undefined;
      this.node(items, item, (at ?? new FieldPath()).index(i), before, same, false);
    }
  }

  #rule(
    compiled: CompiledRule,
    s: Structural,
    value: unknown,
    at: FieldPath | undefined,
    old: Old,
    same: boolean,
  ): void {
    const { rule, program, usesOldSelf } = compiled;
    const errors = same && !usesOldSelf ? this.#tolerated : this.#errors;
    if (!program) {
      broken(errors, s, at, `rule compile error: compilation failed: ${compiled.fault}`);
      return;
    }
    if (usesOldSelf && !old && !rule.optionalOldSelf) return;
    const bindings = { self: value, ...(usesOldSelf ? { oldSelf: oldSelfOf(rule, s, old, at === undefined) } : {}) };
    const result = program.evaluate(bindings, { costLimit: Math.min(PER_CALL_LIMIT, this.#budget) });
    this.#budget -= result.cost;
    if (result.ok) {
      if (result.value !== true) fail(errors, rule, value, at, this.#message(compiled, bindings));
      return;
    }
    const why = result.error.message;
    const told = rule.message || rule.rule.trim();
    if (result.error.costExceeded) {
      const spent = this.#budget <= 0 || result.cost < PER_CALL_LIMIT;
      this.#budget = -1;
      broken(
        errors,
        s,
        at,
        spent
          ? 'validation failed due to running out of cost budget, no further validation rules will be run'
          : `'${why}': no further validation rules will be run due to call cost exceeds limit for rule: ${told}`,
      );
    } else if (why.startsWith('no such overload'))
      broken(
        errors,
        s,
        at,
        `'${why}': call arguments did not match a supported operator, function or macro signature for rule: ${told}`,
      );
    else broken(errors, s, at, `${why} evaluating rule: ${told}`);
  }

  #message({ rule, message }: CompiledRule, bindings: Record<string, unknown>): string {
    const plain = rule.message?.trim() || defaultMessage(rule);
    if (!message) return plain;
    const result = message.evaluate(bindings, { costLimit: Math.max(0, Math.min(PER_CALL_LIMIT, this.#budget)) });
    this.#budget -= result.cost;
    if (!result.ok || typeof result.value !== 'string') return plain;
    const text = result.value.trim();
    return text === '' || text.length > longestMessage || /[\n\r]/.test(text) ? plain : text;
  }
}

/** The rule itself failed, so that its reason and field say nothing. */
function broken(errors: FieldErrors, { type }: Structural, at: FieldPath | undefined, message: string): void {
  errors.add('FieldValueInvalid', at?.toString() ?? '<nil>', `Invalid value: "${type}": ${message}`);
}

function fail(
  errors: FieldErrors,
  { reason, fieldPath }: ValidationRule,
  value: unknown,
  at: FieldPath | undefined,
  message: string,
): void {
  const where = relative(at, fieldPath)?.toString() ?? '<nil>';
  // Maps and lists are not shown.
  const shown =
    typeof value === 'object' && value !== null
      ? ''
      : `: ${typeof value === 'string' ? quote(value) : JSON.stringify(value)}`;
  if (reason === 'FieldValueRequired') errors.add(reason, where, `Required value: ${message}`);
  else if (reason === 'FieldValueForbidden') errors.add(reason, where, `Forbidden: ${message}`);
  else if (reason === 'FieldValueDuplicate') errors.add(reason, where, `Duplicate value${shown}`);
  else errors.add('FieldValueInvalid', where, `Invalid value${shown}: ${message}`);
}

const longestMessage = 5120;

const defaultMessage = (rule: ValidationRule): string => `failed rule: ${rule.rule.trim()}`;

function oldSelfOf(rule: ValidationRule, s: Structural, old: Old, root: boolean): unknown {
  if (!rule.optionalOldSelf) return old?.value;
  const type = celTypeOfSchema(s.source as StructuralSchema, root) ?? t.dyn;
  return old ? new CelOptional(adapt(old.value, type)) : CelOptional.none;
}

function relative(at: FieldPath | undefined, fieldPath: string | undefined): FieldPath | undefined {
  const fields = fieldPath ? (parseJsonPath(fieldPath).fields ?? []) : [];
  let path = at;
  for (const name of fields) path = path?.child(name) ?? new FieldPath(name);
  return path;
}
