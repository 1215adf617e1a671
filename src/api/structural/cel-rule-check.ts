// The rules of a schema when a definition is written: do they compile, and can they be afforded?
import { own } from '../../base/own.ts';
import { nearNumber } from '../../base/whole-number.ts';
import { type CelProgram, ESTIMATED_CRD_LIMIT, ESTIMATED_RULE_LIMIT, estimateExcess } from '../cel/cel.ts';
import { celTypeOfSchema, type StructuralSchema } from '../cel/schema.ts';
import type { FieldErrors, FieldPath } from '../field-error.ts';
import { isPlain } from '../patch/plain.ts';
import type { JSONSchemaProps, ValidationRule } from '../type/apiextensions-v1.ts';
import { type CompiledRule, rulesOf } from './cel-rule.ts';
import { JsonPathError, parseJsonPath } from './json-path.ts';
import { compileStructural, type Structural } from './structural.ts';

interface Place {
  readonly s: Structural;
  readonly at: FieldPath;
  readonly root: boolean;
  /** How often the node can occur; undefined: as often as fits into a request. */
  readonly times: number | undefined;
  /** The list or set whose items cannot be told apart between two versions. */
  readonly uncorrelated: FieldPath | undefined;
}

const advice =
  '(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)';

export function checkRules(schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const s = compileStructural(schema);
  if (!s.hasRules) return;
  const costs: Cost[] = [];
  checkNode({ s, at, root: true, times: 1, uncorrelated: undefined }, costs, errors);
  const total = costs.reduce((sum, { cost }) => sum + cost, 0);
  const excess = estimateExcess(total, ESTIMATED_CRD_LIMIT);
  if (!excess) return;
  // The dearest few, each of some weight.
  for (const { at: where } of costs
    .filter(({ cost }) => cost >= ESTIMATED_CRD_LIMIT / 100)
    .sort((a, b) => b.cost - a.cost)
    .slice(0, mostTold))
    errors.forbidden(
      where,
      'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema',
    );
  errors.forbidden(
    at,
    `x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of ${excess} ${advice}`,
  );
}

const mostTold = 5;

interface Cost {
  readonly at: FieldPath;
  readonly cost: number;
}

function checkNode(place: Place, costs: Cost[], errors: FieldErrors): void {
  const { s, at, times } = place;
  if (!s.hasRules) return;
  const rules = rulesOf(s, place.root);
  if (rules.length && !celTypeOfSchema(s.source as StructuralSchema, place.root))
    errors.add('InternalError', at.child('x-kubernetes-validations'), untyped);
  else
    for (const [i, compiled] of rules.entries())
      checkRule(compiled, place, at.child('x-kubernetes-validations').index(i), costs, errors);
  for (const [name, child] of s.properties)
    checkNode({ ...place, s: child, at: at.child('properties').key(name), root: false }, costs, errors);
  if (s.items) {
    const uncorrelated = place.uncorrelated ?? (s.listType === 'map' ? undefined : at);
    const below = multiply(times, nearNumber(s.source.maxItems));
    checkNode({ s: s.items, at: at.child('items'), root: false, times: below, uncorrelated }, costs, errors);
  }
  if (typeof s.additional === 'object') {
    const below = multiply(times, nearNumber(s.source.maxProperties));
    checkNode(
      { ...place, s: s.additional, at: at.child('additionalProperties'), root: false, times: below },
      costs,
      errors,
    );
  }
}

const untyped =
  'Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations';

const multiply = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? undefined : a * b;

/** How many of these a request can hold. */
function mostOf(s: Structural): number {
  const type = celTypeOfSchema({ type: 'array', items: s.source as StructuralSchema });
  return type?.maxSize ?? 1;
}

function checkRule(
  compiled: CompiledRule,
  { s, times, uncorrelated }: Place,
  at: FieldPath,
  costs: Cost[],
  errors: FieldErrors,
): void {
  const { rule, program } = compiled;
  const optional = () => {
    if (rule.optionalOldSelf !== undefined && !program?.variables.has('oldSelf'))
      errors.invalid(
        at.child('optionalOldSelf'),
        rule.optionalOldSelf,
        'may not be set if oldSelf is not used in rule',
      );
  };
  if (!program) {
    const why = complaint('compilation failed', compiled.fault, 'cel expression must evaluate to a bool');
    errors.invalid(at.child('rule'), internalRule(rule), why);
    optional();
    return;
  }
  if (rule.messageExpression && !compiled.message) {
    const wanted = 'messageExpression must evaluate to a string';
    const why = complaint('messageExpression compilation failed', compiled.messageFault, wanted);
    errors.invalid(at.child('messageExpression'), internalRule(rule), why);
  }
  const tell = (where: FieldPath, what: string, one: CelProgram, often: number) => {
    const cost = price(one.estimateCost().max, often);
    afford(cost, where, what, errors);
    costs.push({ at: where, cost });
  };
  tell(at.child('rule'), 'estimated rule cost', program, times ?? mostOf(s));
  if (compiled.usesOldSelf && uncorrelated)
    errors.invalid(
      at.child('rule'),
      rule.rule,
      `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`,
    );
  optional();
  // However many values break the rule, it is one message that is priced.
  if (compiled.message) tell(at.child('messageExpression'), 'estimated messageExpression cost', compiled.message, 1);
}

/** As Go's server has it within, which it tells. */
export const internalRule = (rule: ValidationRule): object => ({
  Rule: rule.rule,
  Message: rule.message ?? '',
  MessageExpression: rule.messageExpression ?? '',
  Reason: rule.reason ?? null,
  FieldPath: rule.fieldPath ?? '',
  OptionalOldSelf: rule.optionalOldSelf ?? null,
});

const price = (cost: number, times: number) => Math.min(cost * times, Number.MAX_VALUE);

function afford(cost: number, at: FieldPath, what: string, errors: FieldErrors): void {
  const excess = estimateExcess(cost, ESTIMATED_RULE_LIMIT);
  if (excess) errors.forbidden(at, `${what} exceeds budget by factor of ${excess} ${advice}`);
}

function complaint(what: string, fault: string, wanted: string): string {
  if (/expected type|must evaluate/.test(fault) && !fault.includes('ERROR')) return wanted;
  return `${what}: ${fault}`;
}

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];

/** What a rule says besides the expression itself. */
export function checkTexts(rule: ValidationRule, schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  const { message, messageExpression, reason, fieldPath } = rule;
  if (!rule.rule.trim()) errors.required(at.child('rule'), 'rule is not specified');
  if (message !== undefined) {
    if (/[\n\r]/.test(message)) errors.invalid(at.child('message'), message, 'must not contain line breaks');
    else if (message !== '' && !message.trim())
      errors.invalid(at.child('message'), message, 'must be non-empty if specified');
  }
  if (/[\n\r]/.test(rule.rule.trim()) && !message)
    errors.required(at.child('message'), 'message must be specified if rule contains line breaks');
  if (messageExpression !== undefined && !messageExpression.trim())
    errors.required(at.child('messageExpression'), 'messageExpression must be non-empty if specified');
  if (reason !== undefined && !reasons.includes(reason)) errors.notSupported(at.child('reason'), reason, reasons);
  if (fieldPath !== undefined) checkFieldPath(fieldPath, schema, at.child('fieldPath'), errors);
}

function checkFieldPath(text: string, schema: JSONSchemaProps, at: FieldPath, errors: FieldErrors): void {
  if (!text.trim()) errors.invalid(at, text, 'must be non-empty if specified');
  if (/[\n\r]/.test(text)) errors.invalid(at, text, 'must not contain line breaks');
  if (!hasField(schema, text)) errors.invalid(at, text, 'must be a valid path');
}

function hasField(schema: JSONSchemaProps, text: string): boolean {
  const fields = fieldsOf(text);
  let node: unknown = fields && schema;
  for (const name of fields ?? []) {
    if (!isPlain(node)) return false;
    const { properties, additionalProperties } = node as JSONSchemaProps;
    node = own(properties, name) ?? additionalProperties;
  }
  return isPlain(node);
}

function fieldsOf(text: string): readonly string[] | undefined {
  try {
    return /^[.[]/.test(text) && !/\["|\.\[|\.$/.test(text) ? parseJsonPath(text).fields : undefined;
  } catch (error) {
    if (error instanceof JsonPathError) return undefined;
    throw error;
  }
}
