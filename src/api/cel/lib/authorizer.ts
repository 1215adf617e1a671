// authorizer.group('apps').resource('deployments').namespace('x').check('create').allowed().
import { fn, type Library } from '../overload.ts';
import { CelOpaque } from '../value.ts';

/** A question to the authorizer. Absent members are ''. */
export interface AuthorizerQuestion {
  /** Present: ask for this account instead of the requesting user. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string };
  /** For non-resource requests; undefined for resources. */
  readonly path?: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly fieldSelector: string;
  readonly labelSelector: string;
  readonly verb: string;
}

export interface AuthorizerAnswer {
  readonly allowed: boolean;
  readonly reason: string;
  readonly error: string;
}

export type AskAuthorizer = (question: AuthorizerQuestion) => AuthorizerAnswer;

const EMPTY: AuthorizerQuestion = {
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
  fieldSelector: '',
  labelSelector: '',
  verb: '',
};

class Check extends CelOpaque {
  readonly typeName: string;
  readonly ask: AskAuthorizer;
  readonly question: AuthorizerQuestion;
  constructor(typeName: string, ask: AskAuthorizer, question: AuthorizerQuestion) {
    super();
    this.typeName = typeName;
    this.ask = ask;
    this.question = question;
  }
  with(part: Partial<AuthorizerQuestion>, typeName = this.typeName): Check {
    return new Check(typeName, this.ask, { ...this.question, ...part });
  }
  equals(other: CelOpaque): boolean {
    return other === this;
  }
}

class Decision extends CelOpaque {
  readonly typeName = 'kubernetes.authorization.Decision';
  readonly answer: AuthorizerAnswer;
  constructor(answer: AuthorizerAnswer) {
    super();
    this.answer = answer;
  }
  equals(other: CelOpaque): boolean {
    return other === this;
  }
}

const A = 'kubernetes.authorization.Authorizer';
const P = 'kubernetes.authorization.PathCheck';
const G = 'kubernetes.authorization.GroupCheck';
const R = 'kubernetes.authorization.ResourceCheck';
const D = 'kubernetes.authorization.Decision';

/** The value of the variable `authorizer`. */
export const authorizerValue = (ask: AskAuthorizer): CelOpaque => new Check(A, ask, EMPTY);

/** The value of `authorizer.requestResource`. */
export const resourceCheckValue = (ask: AskAuthorizer, request: Partial<AuthorizerQuestion>): CelOpaque =>
  new Check(R, ask, { ...EMPTY, ...request });

// As much as a third of a request's budget: these go out to webhooks.
const check = { cost: () => 350_000 };
const decide = (c: Check, verb: string) => new Decision(c.ask({ ...c.question, verb }));
const set = (field: keyof AuthorizerQuestion) => (c: Check, value: string) => c.with({ [field]: value });

export const authorizers: Library = [
  fn(`${A}::path(string): ${P}`, (c: Check, path: string) => c.with({ path }, P)),
  fn(`${A}::group(string): ${G}`, (c: Check, group: string) => c.with({ group }, G)),
  fn(`${A}::serviceAccount(string, string): ${A}`, (c: Check, namespace: string, name: string) =>
    c.with({ serviceAccount: { namespace, name } }),
  ),
  fn(`${G}::resource(string): ${R}`, (c: Check, resource: string) => c.with({ resource }, R)),
  fn(`${R}::subresource(string): ${R}`, set('subresource')),
  fn(`${R}::namespace(string): ${R}`, set('namespace')),
  fn(`${R}::name(string): ${R}`, set('name')),
  fn(`${R}::fieldSelector(string): ${R}`, set('fieldSelector')),
  fn(`${R}::labelSelector(string): ${R}`, set('labelSelector')),
  fn(`${P}::check(string): ${D}`, decide, check),
  fn(`${R}::check(string): ${D}`, decide, check),
  fn(`${D}::allowed(): bool`, (d: Decision) => d.answer.allowed),
  fn(`${D}::reason(): string`, (d: Decision) => d.answer.reason),
  fn(`${D}::errored(): bool`, (d: Decision) => d.answer.error !== ''),
  fn(`${D}::error(): string`, (d: Decision) => d.answer.error),
];
