// The jwt part of an AuthenticationConfiguration (apiserver.config.k8s.io/v1), checked and with its expressions compiled.
import { childrenOf, type Node } from '../../../api/cel/ast.ts';
import type { CelProgram } from '../../../api/cel/cel.ts';
import { compile } from '../../../api/cel/compile.ts';
import { parse } from '../../../api/cel/parser.ts';
import type { CelType } from '../../../api/cel/type.ts';
import * as t from '../../../api/cel/type.ts';
import { FieldErrors, type FieldPath, path } from '../../../api/field-error.ts';
import { messageOf } from '../../../base/assert.ts';
import { parseGoUrl } from '../../../base/go-url.ts';
import { parseCertificates } from '../../../base/x509.ts';
import { throwErrors } from '../../configuration/document.ts';
import { domainPathErrors } from '../extra-key.ts';

export interface JwtAuthenticator {
  readonly issuer: {
    readonly url: string;
    readonly discoveryURL?: string;
    /** PEM. */
    readonly certificateAuthority?: string;
    readonly audiences: readonly string[];
    readonly audienceMatchPolicy?: string;
    /** Which network would be used; connections are direct. */
    readonly egressSelectorType?: string;
  };
  readonly claimValidationRules?: readonly {
    readonly claim?: string;
    readonly requiredValue?: string;
    readonly expression?: string;
    readonly message?: string;
  }[];
  readonly claimMappings: {
    readonly username: Mapping & { readonly prefix?: string };
    readonly groups?: Mapping & { readonly prefix?: string };
    readonly uid?: Mapping;
    readonly extra?: readonly { readonly key: string; readonly valueExpression: string }[];
  };
  readonly userValidationRules?: readonly { readonly expression: string; readonly message?: string }[];
  /** What its tokens may be signed with, as --oidc-signing-algs; no file says so. Default: whatever is known. */
  readonly signingAlgorithms?: readonly string[];
}

interface Mapping {
  readonly claim?: string;
  readonly expression?: string;
}

export interface Rule {
  readonly program: CelProgram;
  readonly message: string;
}

/** An authenticator's expressions; undefined where a claim is named instead. */
export interface CompiledAuthenticator {
  readonly source: JwtAuthenticator;
  readonly claimRules: readonly Rule[];
  readonly username: CelProgram | undefined;
  readonly groups: CelProgram | undefined;
  readonly uid: CelProgram | undefined;
  readonly extra: readonly { readonly key: string; readonly program: CelProgram }[];
  readonly userRules: readonly Rule[];
}

const claims = { claims: t.map(t.string, t.any) };
const userFields: Readonly<Record<string, CelType>> = {
  username: t.string,
  uid: t.string,
  groups: t.list(t.string),
  extra: t.map(t.string, t.list(t.string)),
};
const user = {
  user: t.objectType(
    'kubernetes.UserInfo',
    () => new Map(Object.entries(userFields).map(([name, type]) => [name, { name, type }])),
  ),
};

const mostAuthenticators = 64;

/** Throws an error that names the field. `ownIssuers`: whom nobody else may claim to be. */
export function compileAuthenticators(
  jwt: readonly JwtAuthenticator[],
  ownIssuers: readonly string[],
): readonly CompiledAuthenticator[] {
  const errors = new FieldErrors();
  const made = checkAuthenticators(jwt, ownIssuers, errors);
  throwErrors(errors);
  return made;
}

/** What comes back is of use only without errors. */
export function checkAuthenticators(
  jwt: readonly JwtAuthenticator[],
  ownIssuers: readonly string[],
  errors: FieldErrors,
): readonly CompiledAuthenticator[] {
  const at = path('jwt');
  if (jwt.length > mostAuthenticators) errors.tooMany(at, jwt.length, mostAuthenticators);
  const seen = { urls: new Set<string>(), discovery: new Set<string>() };
  return jwt.map((source, i) => {
    checkIssuer(source.issuer ?? {}, at.index(i).child('issuer'), ownIssuers, seen, errors);
    return new Compiler(source, at.index(i), errors).compile();
  });
}

type Issuer = Partial<JwtAuthenticator['issuer']>;

function checkIssuer(
  issuer: Issuer,
  at: FieldPath,
  ownIssuers: readonly string[],
  seen: { readonly urls: Set<string>; readonly discovery: Set<string> },
  errors: FieldErrors,
): void {
  const { url = '', discoveryURL, audiences = [], audienceMatchPolicy = '', certificateAuthority } = issuer;
  const here = at.child('url');
  if (ownIssuers.includes(url))
    errors.invalid(here, url, `URL must not overlap with disallowed issuers: [${ownIssuers.join(' ')}]`);
  else if (!url) errors.required(here);
  else checkUrl(url, here, errors);
  if (seen.urls.has(url)) errors.duplicate(here, url);
  seen.urls.add(url);
  if (discoveryURL) {
    const there = at.child('discoveryURL');
    if (url && trimmed(discoveryURL) === trimmed(url))
      errors.invalid(there, discoveryURL, 'discoveryURL must be different from URL');
    checkUrl(discoveryURL, there, errors);
    if (seen.discovery.has(discoveryURL)) errors.duplicate(there, discoveryURL);
    seen.discovery.add(discoveryURL);
  }
  checkAudiences(audiences, audienceMatchPolicy, at, errors);
  const untrusted = certificateAuthority && bundleFault(certificateAuthority);
  if (untrusted) errors.invalid(at.child('certificateAuthority'), '<omitted>', untrusted);
  const { egressSelectorType } = issuer;
  if (egressSelectorType && !egressTypes.includes(egressSelectorType))
    errors.invalid(
      at.child('egressSelectorType'),
      egressSelectorType,
      'egress selector must be either controlplane or cluster',
    );
}

const egressTypes = ['controlplane', 'cluster'];
const trimmed = (url: string) => url.replace(/\/+$/, '');

function bundleFault(text: string): string | undefined {
  try {
    return parseCertificates(text).length ? undefined : 'data does not contain any valid RSA or ECDSA certificates';
  } catch {
    return 'x509: malformed certificate';
  }
}

function checkUrl(text: string, at: FieldPath, errors: FieldErrors): void {
  try {
    const { scheme, user, query, fragment } = parseGoUrl(text);
    if (scheme !== 'https') errors.invalid(at, text, 'URL scheme must be https');
    if (user !== undefined) errors.invalid(at, text, 'URL must not contain a username or password');
    if (query) errors.invalid(at, text, 'URL must not contain a query');
    if (fragment) errors.invalid(at, text, 'URL must not contain a fragment');
  } catch (error) {
    errors.invalid(at, text, messageOf(error));
  }
}

function checkAudiences(audiences: readonly string[], policy: string, at: FieldPath, errors: FieldErrors): void {
  const list = at.child('audiences');
  if (!audiences.length) errors.required(list, `at least one ${list} is required`);
  const seen = new Set<string>();
  for (const [i, audience] of audiences.entries()) {
    if (!audience) errors.required(list.index(i));
    if (seen.has(audience)) errors.duplicate(list.index(i), audience);
    seen.add(audience);
  }
  const here = at.child('audienceMatchPolicy');
  if (audiences.length > 1 && policy !== 'MatchAny')
    errors.invalid(here, policy, 'audienceMatchPolicy must be MatchAny for multiple audiences');
  else if (audiences.length === 1 && policy && policy !== 'MatchAny')
    errors.invalid(here, policy, 'audienceMatchPolicy must be empty or MatchAny for single audience');
}

/** Compiles what one authenticator says; complaints are collected. */
class Compiler {
  readonly #source: JwtAuthenticator;
  readonly #at: FieldPath;
  readonly #errors: FieldErrors;

  constructor(source: JwtAuthenticator, at: FieldPath, errors: FieldErrors) {
    this.#source = source;
    this.#at = at;
    this.#errors = errors;
  }

  compile(): CompiledAuthenticator {
    const { claimMappings: m, userValidationRules = [] } = this.#source;
    const at = this.#at.child('claimMappings');
    const claimRules = this.#claimRules();
    const username = this.#username(at.child('username'));
    const groups = this.#mapping(m?.groups, at.child('groups'), true);
    const uid = this.#mapping(m?.uid, at.child('uid'), false);
    const extra = this.#extra(at.child('extra'));
    if (username && names(username, 'email')) {
      const verifying = [username, ...[...extra, ...claimRules].map(e => e.program)];
      if (!verifying.some(p => names(p, 'email_verified')))
        this.#errors.invalid(at.child('username', 'expression'), username.expression, unverified);
    }
    const userRules = this.#rules(userValidationRules, this.#at.child('userValidationRules'));
    return { source: this.#source, claimRules, username, groups, uid, extra, userRules };
  }

  #program(
    text: string,
    variables: Record<string, CelType>,
    at: FieldPath,
    output?: readonly CelType[],
  ): CelProgram | undefined {
    const { program, error } = compile(text, { variables, ...(output ? { output } : {}) });
    if (error)
      this.#errors.invalid(at, text, error.issues.length ? `compilation failed: ${error.message}` : error.message);
    return program;
  }

  #mapping(
    given: (Mapping & { readonly prefix?: string }) | undefined,
    at: FieldPath,
    prefixed: boolean,
  ): CelProgram | undefined {
    const { claim, expression, prefix } = given ?? {};
    if (claim && expression) this.#errors.invalid(at, '', "claim and expression can't both be set");
    else if (expression) {
      if (prefix !== undefined)
        this.#errors.invalid(at.child('prefix'), prefix, 'may not be specified when expression is set');
      return this.#program(expression, claims, at.child('expression'));
    } else if (prefixed && claim && prefix === undefined)
      this.#errors.required(
        at.child('prefix'),
        'prefix is required when claim is set. It can be set to an empty string to disable prefixing',
      );
    return undefined;
  }

  #username(at: FieldPath): CelProgram | undefined {
    const username = this.#source.claimMappings?.username;
    if (!username?.claim && !username?.expression) this.#errors.required(at, 'claim or expression is required');
    return this.#mapping(username, at, true);
  }

  #claimRules(): readonly Rule[] {
    const { claimValidationRules: rules = [] } = this.#source;
    const at = this.#at.child('claimValidationRules');
    const seen = { claims: new Set<string>(), expressions: new Set<string>() };
    return rules.flatMap(({ claim, requiredValue, expression, message }, i) => {
      const here = at.index(i);
      if (claim && expression) this.#errors.invalid(here, claim, "claim and expression can't both be set");
      else if (claim) {
        if (message) this.#errors.invalid(here.child('message'), message, 'may not be specified when claim is set');
        if (seen.claims.has(claim)) this.#errors.duplicate(here.child('claim'), claim);
        seen.claims.add(claim);
      } else if (expression) {
        if (requiredValue)
          this.#errors.invalid(
            here.child('requiredValue'),
            requiredValue,
            'may not be specified when expression is set',
          );
        return this.#rule({ expression, message }, claims, here, seen.expressions);
      } else this.#errors.required(here, 'claim or expression is required');
      return [];
    });
  }

  #rules(rules: NonNullable<JwtAuthenticator['userValidationRules']>, at: FieldPath): readonly Rule[] {
    const seen = new Set<string>();
    return rules.flatMap((rule, i) => {
      if (rule.expression) return this.#rule(rule, user, at.index(i), seen);
      this.#errors.required(at.index(i).child('expression'));
      return [];
    });
  }

  #rule(
    { expression, message = '' }: { readonly expression: string; readonly message?: string | undefined },
    variables: Record<string, CelType>,
    at: FieldPath,
    seen: Set<string>,
  ): readonly Rule[] {
    const here = at.child('expression');
    if (seen.has(expression)) {
      this.#errors.duplicate(here, expression);
      return [];
    }
    seen.add(expression);
    const program = this.#program(expression, variables, here, [t.bool]);
    return program ? [{ program, message }] : [];
  }

  #extra(at: FieldPath): CompiledAuthenticator['extra'] {
    const seen = new Set<string>();
    return (this.#source.claimMappings?.extra ?? []).flatMap(({ key = '', valueExpression = '' }, i) => {
      const here = at.index(i);
      this.#checkKey(key, here.child('key'));
      if (key && seen.has(key)) {
        this.#errors.duplicate(here.child('key'), key);
        return [];
      }
      seen.add(key);
      if (!valueExpression) {
        this.#errors.required(here.child('valueExpression'));
        return [];
      }
      const program = this.#program(valueExpression, claims, here.child('valueExpression'));
      return program ? { key, program } : [];
    });
  }

  #checkKey(key: string, at: FieldPath): void {
    if (!key) {
      this.#errors.required(at);
      return;
    }
    this.#errors.list.push(...domainPathErrors(key, at).list);
    const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
    for (const own of ['k8s.io', 'kubernetes.io'])
      if (domain === own || domain.endsWith(`.${own}`))
        this.#errors.invalid(at, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use');
    if (key !== key.toLowerCase()) this.#errors.invalid(at, key, 'must be lowercase');
  }
}

const unverified =
  'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression';

/** Whether the expression reads this claim by its name. */
const names = ({ expression }: CelProgram, claim: string): boolean => {
  const selects = (node: Node): boolean =>
    (node.k === 'select' && node.field === claim && node.operand.k === 'ident' && node.operand.name === 'claims') ||
    childrenOf(node).some(selects);
  return selects(parse(expression));
};
