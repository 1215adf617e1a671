// The jwt part of an AuthenticationConfiguration (apiserver.config.k8s.io/v1), checked and with its expressions compiled.
import type { CelProgram } from '../../../api/cel/cel.ts';
import { compile } from '../../../api/cel/compile.ts';
import type { CelType } from '../../../api/cel/type.ts';
import * as t from '../../../api/cel/type.ts';
import { FieldErrors, type FieldPath, path } from '../../../api/field-error.ts';
import { isDomainPrefixedPath } from '../../../api/name-rule.ts';
import { parseCertificates } from '../../../base/x509.ts';
import { throwErrors } from '../../configuration/document.ts';

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

const claims = { claims: t.map(t.string, t.dyn) };
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
  const at = path('jwt');
  if (jwt.length > mostAuthenticators) errors.tooMany(at, jwt.length, mostAuthenticators);
  const seen = { urls: new Set<string>(), discovery: new Set<string>() };
  const made = jwt.map((source, i) => {
    checkIssuer(source.issuer ?? {}, at.index(i).child('issuer'), ownIssuers, seen, errors);
    return new Compiler(source, at.index(i), errors).compile();
  });
  throwErrors(errors);
  return made;
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
  if (!url) errors.required(here, 'URL is required');
  else if (ownIssuers.includes(url))
    errors.invalid(here, url, `URL must not overlap with disallowed issuers: [${ownIssuers.join(' ')}]`);
  else if (seen.urls.has(url)) errors.duplicate(here, url);
  else checkUrl(url, here, errors);
  seen.urls.add(url);
  if (discoveryURL) {
    const there = at.child('discoveryURL');
    if (trimmed(discoveryURL) === trimmed(url))
      errors.invalid(there, discoveryURL, 'discoveryURL must be different from URL');
    else if (seen.discovery.has(discoveryURL)) errors.duplicate(there, discoveryURL);
    else checkUrl(discoveryURL, there, errors);
    seen.discovery.add(discoveryURL);
  }
  checkAudiences(audiences, audienceMatchPolicy, at, errors);
  if (certificateAuthority && !isPem(certificateAuthority))
    errors.invalid(
      at.child('certificateAuthority'),
      '<omitted>',
      'data does not contain any valid RSA or ECDSA certificates',
    );
  const { egressSelectorType } = issuer;
  if (egressSelectorType && !egressTypes.includes(egressSelectorType))
    errors.invalid(
      at.child('egressSelectorType'),
      egressSelectorType,
      'egress selector must be either controlplane or cluster',
    );
}

const egressTypes = ['controlplane', 'cluster'];
const trimmed = (url: string) => url.replace(/\/$/, '');

function isPem(text: string): boolean {
  try {
    return parseCertificates(text).length > 0;
  } catch {
    return false;
  }
}

function checkUrl(text: string, at: FieldPath, errors: FieldErrors): void {
  const url = URL.parse(text);
  if (!url) errors.invalid(at, text, 'must be a URL');
  else if (url.protocol !== 'https:') errors.invalid(at, text, 'URL scheme must be https');
  else if (url.username || url.password) errors.invalid(at, text, 'URL must not contain a username or password');
  else if (url.search) errors.invalid(at, text, 'URL must not contain a query');
  else if (url.hash) errors.invalid(at, text, 'URL must not contain a fragment');
}

function checkAudiences(audiences: readonly string[], policy: string, at: FieldPath, errors: FieldErrors): void {
  const list = at.child('audiences');
  if (!audiences.length) errors.required(list, `at least one ${list} is required`);
  const seen = new Set<string>();
  for (const [i, audience] of audiences.entries()) {
    if (!audience) errors.required(list.index(i), "audience can't be empty");
    else if (seen.has(audience)) errors.duplicate(list.index(i), audience);
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
    return {
      source: this.#source,
      claimRules: this.#claimRules(),
      username: this.#username(at.child('username')),
      groups: this.#mapping(m?.groups, at.child('groups'), true),
      uid: this.#mapping(m?.uid, at.child('uid'), false),
      extra: this.#extra(at.child('extra')),
      userRules: this.#rules(userValidationRules, this.#at.child('userValidationRules')),
    };
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
    if (expression && prefix !== undefined)
      this.#errors.invalid(at.child('prefix'), prefix, "prefix can't be set when expression is set");
    if (prefixed && claim && prefix === undefined)
      this.#errors.required(
        at.child('prefix'),
        'prefix is required when claim is set. It can be set to an empty string to disable prefixing',
      );
    return expression ? this.#program(expression, claims, at.child('expression')) : undefined;
  }

  #username(at: FieldPath): CelProgram | undefined {
    const username = this.#source.claimMappings?.username;
    if (!username?.claim && !username?.expression) this.#errors.required(at, 'claim or expression is required');
    if (username?.expression?.includes('claims.email') && !usesEmailVerified(this.#source))
      this.#errors.invalid(
        at.child('expression'),
        username.expression,
        'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression',
      );
    return this.#mapping(username, at, true);
  }

  #claimRules(): readonly Rule[] {
    const { claimValidationRules: rules = [] } = this.#source;
    const at = this.#at.child('claimValidationRules');
    const seenClaims = new Set<string>();
    for (const [i, { claim, requiredValue, expression, message }] of rules.entries()) {
      const here = at.index(i);
      if (claim && expression) this.#errors.invalid(here, claim, "claim and expression can't both be set");
      else if (!claim && !expression) this.#errors.required(here, 'claim or expression is required');
      else if (claim && message)
        this.#errors.invalid(here.child('message'), message, "message can't be set when claim is set");
      else if (expression && requiredValue)
        this.#errors.invalid(
          here.child('requiredValue'),
          requiredValue,
          "requiredValue can't be set when expression is set",
        );
      if (claim && seenClaims.has(claim)) this.#errors.duplicate(here.child('claim'), claim);
      if (claim) seenClaims.add(claim);
    }
    return this.#compileRules(rules, at, claims);
  }

  #rules(rules: NonNullable<JwtAuthenticator['userValidationRules']>, at: FieldPath): readonly Rule[] {
    for (const [i, { expression }] of rules.entries())
      if (!expression) this.#errors.required(at.index(i).child('expression'), 'expression is required');
    return this.#compileRules(rules, at, user);
  }

  #compileRules(
    rules: readonly { readonly expression?: string; readonly message?: string }[],
    at: FieldPath,
    variables: Record<string, CelType>,
  ): readonly Rule[] {
    const seen = new Set<string>();
    return rules.flatMap(({ expression, message = '' }, i) => {
      if (!expression) return [];
      const here = at.index(i).child('expression');
      if (seen.has(expression)) this.#errors.duplicate(here, expression);
      seen.add(expression);
      const program = this.#program(expression, variables, here, [t.bool]);
      return program ? { program, message } : [];
    });
  }

  #extra(at: FieldPath): CompiledAuthenticator['extra'] {
    const seen = new Set<string>();
    return (this.#source.claimMappings?.extra ?? []).flatMap(({ key = '', valueExpression = '' }, i) => {
      const here = at.index(i);
      this.#checkKey(key, here.child('key'), seen);
      if (!valueExpression) {
        this.#errors.required(here.child('valueExpression'), 'valueExpression is required');
        return [];
      }
      const program = this.#program(valueExpression, claims, here.child('valueExpression'));
      return program ? { key, program } : [];
    });
  }

  #checkKey(key: string, at: FieldPath, seen: Set<string>): void {
    if (!key) {
      this.#errors.required(at);
      return;
    }
    for (const complaint of isDomainPrefixedPath(key)) this.#errors.invalid(at, key, complaint);
    const domain = key.split('/', 1)[0]!;
    for (const own of ['k8s.io', 'kubernetes.io'])
      if (domain === own || domain.endsWith(`.${own}`))
        this.#errors.invalid(at, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use');
    if (key !== key.toLowerCase()) this.#errors.invalid(at, key, 'key must be lowercase');
    if (seen.has(key)) this.#errors.duplicate(at, key);
    seen.add(key);
  }
}

function usesEmailVerified({ claimMappings: m, claimValidationRules = [] }: JwtAuthenticator): boolean {
  const texts = [
    m?.username?.expression,
    ...(m?.extra ?? []).map(e => e.valueExpression),
    ...claimValidationRules.map(r => r.expression),
  ];
  return texts.some(text => text?.includes('claims.email_verified'));
}
