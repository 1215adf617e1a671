// compile(): source to program.

import { type Call, childrenOf, type Node } from './ast.ts';
import type {
  CelBindings,
  CelCompileResult,
  CelEnvironment,
  CelIssue,
  CelLimits,
  CelProgram,
  CelResult,
} from './cel.ts';
import { type CostEstimate, PER_CALL_LIMIT } from './cel.ts';
import { Checker } from './checker.ts';
import { estimate } from './estimate.ts';
import type { Frame, Step } from './frame.ts';
import { SyntaxFault } from './lexer.ts';
import { checkFormat } from './lib/format-string.ts';
import { functions } from './lib/index.ts';
import { COST_EXCEEDED, meter } from './overload.ts';
import { parse } from './parser.ts';
import { Planner } from './plan.ts';
import { regexOf } from './regex.ts';
import { parseDuration, parseTimestamp } from './time.ts';
import { type CelType, typeText } from './type.ts';
import { CelFault } from './value.ts';

interface Issue {
  readonly message: string;
  readonly at: number;
}

/** Never throws. */
export function compile(expression: string, environment: CelEnvironment): CelCompileResult {
  let root: Node;
  const checker = new Checker({ ...environment, functions });
  let type: CelType;
  try {
    root = parse(expression, environment.bindings);
    checkDepth(root);
    type = checker.check(root);
    checkLiterals(root, checker);
  } catch (error) {
    if (error instanceof SyntaxFault) return { error: describe(expression, [error]) };
    if (error instanceof RangeError)
      return { error: describe(expression, [{ message: 'expression recursion limit exceeded', at: 0 }]) };
    throw error;
  }
  if (checker.issues.length > 0) return { error: describe(expression, checker.issues) };
  const mismatch = outputMismatch(environment, type);
  if (mismatch) return { error: { issues: [], message: mismatch } };
  const step = new Planner(environment.variables, environment.structs).plan(root);
  return { program: new Program(expression, type, checker, root, step, environment.schema) };
}

/** What is wrong with the result's type; '' when nothing is. */
function outputMismatch({ output }: CelEnvironment, type: CelType): string {
  if (!output || output.some(o => o.kind === 'dyn' || typeText(o) === typeText(type))) return '';
  const wanted = output.map(o => (o.kind === 'null' ? 'null_type' : typeText(o)));
  return wanted.length === 1 ? `must evaluate to ${wanted[0]}` : `must evaluate to one of [${wanted.join(' ')}]`;
}

/** Long chains nest as well; each level costs stack in all that walks the tree. */
const MAX_DEPTH = 1000;

function checkDepth(root: Node): void {
  let level: readonly Node[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) throw new SyntaxFault(`expression recursion limit exceeded: ${MAX_DEPTH}`, level[0]!.at);
    level = level.flatMap(childrenOf);
  }
}

const LITERALS: Readonly<Record<string, (text: string) => unknown>> = {
  matches: regexOf,
  duration: parseDuration,
  timestamp: parseTimestamp,
};

// Literal patterns, durations and times are checked here rather than on every evaluation.
function checkLiterals(root: Node, checker: Checker): void {
  const { issues, mismatches } = checker;
  if (issues.length === 0) issues.push(...mismatches);
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    stack.push(...childrenOf(node));
    if (node.k !== 'call') continue;
    if (node.fn === 'format') checkFormatCall(node, checker);
    if (!Object.hasOwn(LITERALS, node.fn)) continue;
    const argument = node.args.at(-1);
    if (argument?.k !== 'const' || typeof argument.value !== 'string') continue;
    try {
      LITERALS[node.fn]!(argument.value);
    } catch {
      issues.push({ message: `invalid ${node.fn} argument`, at: argument.at });
    }
  }
}

function checkFormatCall({ target, args, at }: Call, checker: Checker): void {
  const [list] = args;
  if (target?.k !== 'const' || typeof target.value !== 'string' || list?.k !== 'list') return;
  const types = list.items.map(item => checker.typeOf(item));
  const found = checkFormat(target.value, types);
  if (found) checker.issues.push({ message: found.message, at: list.items[found.argument]?.at ?? at });
}

function describe(source: string, issues: readonly Issue[]): { issues: CelIssue[]; message: string } {
  const lines = source.split('\n');
  const found = issues
    .toSorted((a, b) => a.at - b.at)
    .map(({ message, at }): CelIssue => {
      const before = source.slice(0, at);
      const line = before.split('\n').length;
      const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1;
      return { message, line, column };
    });
  const message = found
    .map(
      i =>
        `ERROR: <input>:${i.line}:${i.column}: ${i.message}\n | ${lines[i.line - 1] ?? ''}\n | ${'.'.repeat(i.column - 1)}^`,
    )
    .join('\n');
  return { issues: found, message };
}

// Work beyond what Kubernetes counts (constants, logic, values visited, characters made): so much a unit of cost.
const STEPS_PER_UNIT = 20;

class Program implements CelProgram {
  readonly expression: string;
  readonly type: CelType;
  readonly variables: ReadonlySet<string>;
  readonly #checker: Checker;
  readonly #root: Node;
  readonly #step: Step;
  readonly #schema: CelType | undefined;
  #estimate: CostEstimate | undefined;

  constructor(
    expression: string,
    type: CelType,
    checker: Checker,
    root: Node,
    step: Step,
    schema: CelType | undefined,
  ) {
    this.expression = expression;
    this.type = type;
    this.variables = checker.used;
    this.#checker = checker;
    this.#root = root;
    this.#step = step;
    this.#schema = schema;
  }

  estimateCost(): CostEstimate {
    this.#estimate ??= estimate(this.#root, node => this.#checker.typeOf(node), this.#schema);
    return this.#estimate;
  }

  evaluate(bindings: CelBindings, { costLimit = PER_CALL_LIMIT }: CelLimits = {}): CelResult {
    const frame: Frame = { globals: [], bindings, locals: [] };
    const before = { ...meter };
    meter.left = costLimit;
    meter.steps = costLimit * STEPS_PER_UNIT;
    const cost = () => Math.min(costLimit, Math.ceil(costLimit - meter.left));
    try {
      const value = this.#step(frame);
      return { ok: true, value, cost: cost() };
    } catch (error) {
      return { ok: false, error: asFault(error), cost: cost() };
    } finally {
      meter.left = before.left;
      meter.steps = before.steps;
    }
  }
}

function asFault(error: unknown): CelFault {
  if (error instanceof CelFault) return error;
  // Strings and stacks that outgrow what the machine holds.
  if (error instanceof RangeError) return new CelFault(COST_EXCEEDED, true);
  throw error;
}
