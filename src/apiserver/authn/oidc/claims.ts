// From the claims of a token that is believed to the user they make.
import type { CelProgram } from '../../../api/cel/cel.ts';
import { toJson } from '../../../api/cel/value.ts';
import { goText } from '../../../api/patch/go-text.ts';
import { CredentialError, type UserInfo } from '../user.ts';
import type { CompiledAuthenticator, Rule } from './configuration.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Throws CredentialError when a rule does not hold or a claim is missing. */
export function userOf(authenticator: CompiledAuthenticator, claims: Claims): UserInfo {
  const { source } = authenticator;
  const { claimMappings: m } = source;
  for (const rule of source.claimValidationRules ?? []) {
    if (!rule.claim) continue;
    const value = claims[rule.claim];
    if (value === undefined) throw new CredentialError(`oidc: required claim ${rule.claim} not present in ID token`);
    if (value !== (rule.requiredValue ?? ''))
      throw new CredentialError(
        `oidc: required claim ${rule.claim} value does not match. Got = ${goText(value)}, want = ${rule.requiredValue ?? ''}`,
      );
  }
  checkRules(authenticator.claimRules, { claims }, 'claim validation rule');
  const name = authenticator.username
    ? evaluate(authenticator.username, { claims })
    : nameFromClaim(m.username.claim!, m.username.prefix ?? '', claims);
  if (typeof name !== 'string' || !name) throw new CredentialError('oidc: username is empty');
  const uid = authenticator.uid ? evaluate(authenticator.uid, { claims }) : m.uid?.claim && claims[m.uid.claim];
  const groups = authenticator.groups
    ? texts(evaluate(authenticator.groups, { claims }))
    : groupsFromClaim(m.groups?.claim, m.groups?.prefix ?? '', claims);
  const extra: Record<string, readonly string[]> = {};
  for (const { key, program } of authenticator.extra) {
    const values = texts(evaluate(program, { claims }));
    if (values.length) extra[key] = values;
  }
  const user: UserInfo = {
    name,
    ...(typeof uid === 'string' && uid ? { uid } : {}),
    groups,
    ...(Object.keys(extra).length ? { extra } : {}),
  };
  const seen = { username: name, uid: user.uid ?? '', groups, extra };
  checkRules(authenticator.userRules, { user: seen }, 'user validation rule');
  return user;
}

function checkRules(rules: readonly Rule[], bindings: Readonly<Record<string, unknown>>, what: string): void {
  for (const { program, message } of rules) {
    if (evaluate(program, bindings) === true) continue;
    const why = message || `validation expression '${program.expression}' failed`;
    throw new CredentialError(`oidc: error evaluating ${what}: ${why}`);
  }
}

function evaluate(program: CelProgram, bindings: Readonly<Record<string, unknown>>): unknown {
  const result = program.evaluate(bindings);
  if (!result.ok)
    throw new CredentialError(`oidc: expression '${program.expression}' resulted in error: ${result.error.message}`);
  return toJson(result.value);
}

function nameFromClaim(claim: string, prefix: string, claims: Claims): string {
  const value = claims[claim];
  if (value === undefined) throw new CredentialError(`oidc: parse username claims "${claim}": claim not present`);
  if (typeof value !== 'string') throw new CredentialError(`oidc: parse username claims "${claim}": not a string`);
  if (claim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true)
    throw new CredentialError('oidc: email not verified');
  return prefix + value;
}

function groupsFromClaim(claim: string | undefined, prefix: string, claims: Claims): readonly string[] {
  if (!claim || claims[claim] === undefined) return [];
  return texts(claims[claim]).map(group => prefix + group);
}

/** One text or several; what is empty or no text is left out. */
function texts(value: unknown): string[] {
  const all = Array.isArray(value) ? value : [value];
  return all.filter((v): v is string => typeof v === 'string' && v !== '');
}
