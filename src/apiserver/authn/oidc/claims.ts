// From the claims of a token that is believed to the user they make. In the order of kube-apiserver, and in its words.
import type { CelProgram } from '../../../api/cel/cel.ts';
import { toJson } from '../../../api/cel/value.ts';
import { jsonKind } from '../../../api/patch/plain.ts';
import { quote } from '../../../base/quote.ts';
import { CredentialError, credentialIdKey, type UserInfo } from '../user.ts';
import type { CompiledAuthenticator, JwtAuthenticator, Rule } from './configuration.ts';

export type Claims = Readonly<Record<string, unknown>>;

/** Throws CredentialError when a rule does not hold or a claim is missing. */
export function userOf(authenticator: CompiledAuthenticator, claims: Claims): UserInfo {
  const { source } = authenticator;
  const { claimMappings: m } = source;
  const name = authenticator.username
    ? nameFromExpression(authenticator.username, claims)
    : nameFromClaim(m.username.claim!, m.username.prefix ?? '', claims);
  const groups = authenticator.groups
    ? textsFrom(authenticator.groups, claims, 'error evaluating group claim expression')
    : groupsFromClaim(m.groups?.claim, m.groups?.prefix ?? '', claims);
  const uid = authenticator.uid
    ? textFrom(authenticator.uid, claims, 'uid')
    : m.uid?.claim
      ? textClaim(claims, m.uid.claim, `parse uid claim ${quote(m.uid.claim)}`)
      : '';
  const extra = extraOf(authenticator, claims);
  checkRequired(source.claimValidationRules ?? [], claims);
  checkRules(authenticator.claimRules, { claims }, 'claim validation expression');
  const seen = { username: name, uid, groups, extra };
  checkRules(authenticator.userRules, { user: seen }, 'user info validation rule');
  return {
    name,
    ...(uid ? { uid } : {}),
    groups,
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

const refused = (why: string) => new CredentialError(`oidc: ${why}`);

function checkRequired(rules: NonNullable<JwtAuthenticator['claimValidationRules']>, claims: Claims): void {
  for (const { claim, requiredValue = '' } of rules) {
    if (!claim) continue;
    if (claims[claim] === undefined) throw refused(`required claim ${claim} not present in ID token`);
    const value = textClaim(claims, claim, `parse claim ${claim}`);
    if (value !== requiredValue)
      throw refused(`required claim ${claim} value does not match. Got = ${value}, want = ${requiredValue}`);
  }
}

function checkRules(rules: readonly Rule[], bindings: Readonly<Record<string, unknown>>, what: string): void {
  const results = rules.map(({ program, message }) => ({ program, message, result: program.evaluate(bindings) }));
  // What cannot be evaluated is told before what does not hold.
  for (const { program, result } of results)
    if (!result.ok) throw refused(`error evaluating ${what}: ${faultOf(program, result.error.message)}`);
  for (const { program, message, result } of results)
    if (result.ok && result.value !== true)
      throw refused(`error evaluating ${what}: validation expression '${program.expression}' failed: ${message}`);
}

const faultOf = ({ expression }: CelProgram, message: string) =>
  `expression '${expression}' resulted in error: ${message}`;

/** `before`: what an error begins with. */
function evaluate(program: CelProgram, claims: Claims, before: string): unknown {
  const result = program.evaluate({ claims });
  if (!result.ok) throw new CredentialError(before + faultOf(program, result.error.message));
  return toJson(result.value);
}

function textFrom(program: CelProgram, claims: Claims, what: 'username' | 'uid'): string {
  const value = evaluate(program, claims, `oidc: error evaluating ${what} claim expression: `);
  if (typeof value !== 'string')
    throw refused(`error evaluating ${what} claim expression: ${what} claim expression must return a string`);
  return value;
}

/** One text or several; what is empty is left out. */
function textsFrom(program: CelProgram, claims: Claims, what: string, subject = ''): string[] {
  const value = evaluate(program, claims, subject ? '' : `oidc: ${what}: `);
  const all = value === null ? [] : Array.isArray(value) ? value : [value];
  if (!all.every(v => typeof v === 'string'))
    throw refused(`${what}: ${subject}expression must return a string or a list of strings`);
  return all.filter(v => v !== '');
}

function extraOf({ extra }: CompiledAuthenticator, claims: Claims): Record<string, readonly string[]> {
  const made: Record<string, readonly string[]> = {};
  if (typeof claims.jti === 'string' && claims.jti) made[credentialIdKey] = [`JTI=${claims.jti}`];
  for (const { key, program } of extra) {
    const values = textsFrom(program, claims, 'error evaluating extra claim expression', `${program.expression}: `);
    if (values.length) made[key] = values;
  }
  return made;
}

function nameFromExpression(program: CelProgram, claims: Claims): string {
  const name = textFrom(program, claims, 'username');
  if (!name) throw refused('empty username via CEL expression is not allowed');
  return name;
}

/** A claim that is null is an empty text, as Go reads it. */
function textClaim(claims: Claims, claim: string, what: string, type = 'string'): string {
  const value = claims[claim];
  if (value === undefined) throw refused(`${what}: claim not present`);
  if (value === null) return '';
  if (typeof value !== 'string') throw refused(`${what}: ${unreadable(value, type)}`);
  return value;
}

const unreadable = (value: unknown, type: string) =>
  `json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`;

function nameFromClaim(claim: string, prefix: string, claims: Claims): string {
  const name = textClaim(claims, claim, `parse username claims ${quote(claim)}`);
  const { email_verified: verified } = claims;
  if (claim === 'email' && verified !== undefined) {
    if (verified !== null && typeof verified !== 'boolean')
      throw refused(`parse 'email_verified' claim: ${unreadable(verified, 'bool')}`);
    if (!verified) throw refused('email not verified');
  }
  return prefix + name;
}

function groupsFromClaim(claim: string | undefined, prefix: string, claims: Claims): readonly string[] {
  const value = claim === undefined ? undefined : claims[claim];
  if (value === undefined || value === null) return [];
  const all = Array.isArray(value) ? value.map(v => v ?? '') : [value];
  if (!all.every(v => typeof v === 'string'))
    throw refused(`parse groups claim ${quote(claim!)}: ${unreadable(value, 'string')}`);
  return all.map(group => prefix + group);
}
