// The jwt part of an AuthenticationConfiguration (apiserver.config.k8s.io/v1), checked and with its expressions compiled.
import type { CelProgram } from '../../../api/cel/cel.ts';
import { compile } from '../../../api/cel/compile.ts';
import type { CelType } from '../../../api/cel/type.ts';
import * as t from '../../../api/cel/type.ts';

export interface JwtAuthenticator {
  readonly issuer: {
    readonly url: string;
    readonly discoveryURL?: string;
    /** PEM. */
    readonly certificateAuthority?: string;
    readonly audiences: readonly string[];
    readonly audienceMatchPolicy?: string;
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

/** Throws an error that names the field. `ownIssuers`: whom nobody else may claim to be. */
export function compileAuthenticators(
  jwt: readonly JwtAuthenticator[],
  ownIssuers: readonly string[],
): readonly CompiledAuthenticator[] {
  const seen = new Set<string>();
  return jwt.map((source, i) => {
    const at = `jwt[${i}]`;
    checkIssuer(source, at, ownIssuers);
    if (seen.has(source.issuer.url)) fail(`${at}.issuer.url: Duplicate value: ${JSON.stringify(source.issuer.url)}`);
    seen.add(source.issuer.url);
    return compileOne(source, at);
  });
}

function fail(message: string): never {
  throw new Error(`read authentication configuration: ${message}`);
}

function checkIssuer({ issuer }: JwtAuthenticator, at: string, ownIssuers: readonly string[]): void {
  const url = URL.parse(issuer?.url ?? '');
  const where = `${at}.issuer.url`;
  if (!issuer?.url) fail(`${where}: Required value: URL is required`);
  if (url?.protocol !== 'https:')
    fail(`${where}: Invalid value: ${JSON.stringify(issuer.url)}: URL scheme must be https`);
  if (url.username || url.search || url.hash)
    fail(`${where}: Invalid value: ${JSON.stringify(issuer.url)}: URL must not contain a username, query or fragment`);
  if (ownIssuers.includes(issuer.url))
    fail(
      `${where}: Invalid value: ${JSON.stringify(issuer.url)}: URL must not overlap with disallowed issuers: [${ownIssuers.join(' ')}]`,
    );
  if (!issuer.audiences?.length)
    fail(`${at}.issuer.audiences: Required value: at least one ${at}.issuer.audiences is required`);
  if (issuer.audiences.length > 1 && issuer.audienceMatchPolicy !== 'MatchAny')
    fail(
      `${at}.issuer.audienceMatchPolicy: Invalid value: audienceMatchPolicy must be MatchAny for multiple audiences`,
    );
}

function compileOne(source: JwtAuthenticator, at: string): CompiledAuthenticator {
  const { claimMappings: m, claimValidationRules = [], userValidationRules = [] } = source;
  const program = (text: string, variables: Record<string, CelType>, where: string, output?: readonly CelType[]) => {
    const { program: made, error } = compile(text, { variables, ...(output ? { output } : {}) });
    return made ?? fail(`${where}: Invalid value: ${JSON.stringify(text)}: compilation failed: ${error!.message}`);
  };
  const mapping = (given: Mapping | undefined, where: string) => {
    if (given?.claim && given.expression) fail(`${where}: Invalid value: "": claim and expression can't both be set`);
    return given?.expression ? program(given.expression, claims, `${where}.expression`) : undefined;
  };
  if (!m?.username?.claim && !m?.username?.expression)
    fail(`${at}.claimMappings.username: Required value: claim or expression is required`);
  if (m.username.claim && m.username.prefix === undefined)
    fail(
      `${at}.claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing`,
    );
  const username = mapping(m.username, `${at}.claimMappings.username`);
  if (m.username.expression?.includes('claims.email') && !usesEmailVerified(source))
    fail(
      `${at}.claimMappings.username.expression: Invalid value: ${JSON.stringify(m.username.expression)}: claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression`,
    );
  return {
    source,
    claimRules: claimValidationRules.flatMap((rule, i) =>
      rule.expression
        ? {
            program: program(rule.expression, claims, `${at}.claimValidationRules[${i}].expression`, [t.bool]),
            message: rule.message ?? '',
          }
        : [],
    ),
    username,
    groups: mapping(m.groups, `${at}.claimMappings.groups`),
    uid: mapping(m.uid, `${at}.claimMappings.uid`),
    extra: (m.extra ?? []).map(({ key, valueExpression }, i) => {
      const where = `${at}.claimMappings.extra[${i}]`;
      if (!key || key !== key.toLowerCase())
        fail(`${where}.key: Invalid value: ${JSON.stringify(key)}: key must be lowercase`);
      return { key, program: program(valueExpression, claims, `${where}.valueExpression`) };
    }),
    userRules: userValidationRules.map((rule, i) => ({
      program: program(rule.expression, user, `${at}.userValidationRules[${i}].expression`, [t.bool]),
      message: rule.message ?? '',
    })),
  };
}

function usesEmailVerified({ claimMappings: m, claimValidationRules = [] }: JwtAuthenticator): boolean {
  const texts = [
    m.username.expression,
    ...(m.extra ?? []).map(e => e.valueExpression),
    ...claimValidationRules.map(r => r.expression),
  ];
  return texts.some(text => text?.includes('claims.email_verified'));
}
