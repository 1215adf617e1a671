import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as rule from './name-rule.ts';

const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

const cases: [(value: any) => readonly string[], unknown, string[]][] = [
  [rule.isDns1123Label, 'a-1', []],
  [rule.isDns1123Label, 'a.b', ['must not contain dots']],
  [rule.isDns1123Label, 'A', [LABEL]],
  [rule.isDns1123Label, 'a'.repeat(64), ['must be no more than 63 characters']],
  [rule.isDns1123Label, '', [LABEL]],
  [rule.isDns1123Subdomain, 'a.b-c.d1', []],
  [rule.isDns1123Subdomain, 'a..b', [SUBDOMAIN]],
  [rule.isDns1123Subdomain, 'a\n', [SUBDOMAIN]],
  [rule.isDns1123Subdomain, `${'a'.repeat(253)}_`, ['must be no more than 253 characters', SUBDOMAIN]],
  [rule.isDns1035Label, 'a1', []],
  [rule.isQualifiedName, 'app', []],
  [rule.isQualifiedName, 'example.com/App_1.x', []],
  [rule.isQualifiedName, '/x', ['prefix part must be non-empty']],
  [rule.isQualifiedName, 'x/', ['name part must be non-empty', QUALIFIED]],
  [rule.isQualifiedName, 'Ex/x', [`prefix part ${SUBDOMAIN}`]],
  [rule.isQualifiedName, '-x', [QUALIFIED]],
  [rule.isQualifiedName, 'a'.repeat(64), ['name part must be no more than 63 bytes']],
  [rule.isQualifiedName, `${'a'.repeat(254)}/b`, ['prefix part must be no more than 253 bytes']],
  [rule.isLabelValue, 'a'.repeat(64), ['must be no more than 63 bytes']],
  [rule.isLabelValue, '', []],
  [rule.isLabelValue, 'a_b.C-1', []],
  [rule.isEnvVarName, 'a b:c', []],
  [rule.isEnvVarName, '', ['environment variable name must be non-empty']],
  [
    rule.isEnvVarName,
    'a=b',
    ["a valid environment variable name must consist only of printable ASCII characters other than '='"],
  ],
  [rule.isConfigMapKey, '..a', ["must not start with '..'"]],
  [rule.isConfigMapKey, '.', ["must not be '.'"]],
  [rule.isPortName, 'http-1', []],
  [
    rule.isPortName,
    '-1--2',
    [
      'must contain at least one letter (a-z)',
      'must not contain consecutive hyphens',
      'must not begin or end with a hyphen',
    ],
  ],
  [rule.isValidPortNumber, 0, ['must be between 1 and 65535, inclusive']],
  [rule.isValidPortNumber, 65535, []],
  [rule.isPathSegmentName, 'a/b%', ["may not contain '/'", "may not contain '%'"]],
  [rule.isPathSegmentName, '..', ["may not be '..'"]],
  [rule.isIpAddress, '10.0.0.1', []],
  [rule.isIpAddress, '::', []],
  [rule.isIpAddress, '2001:db8::1', []],
  [rule.isIpAddress, '1:2:3:4:5:6:7:8', []],
  [rule.isIpAddress, '1:2:3:4:5:6:7::8', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  [rule.isIpAddress, '64:ff9b::1.2.3.4', []],
  [rule.isIpAddress, '1.2.3', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  [rule.isIpAddress, '1.2.3.256', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  [rule.isIpAddress, '1.2.03.4', ['must not have leading 0s']],
  [rule.isIpAddress, '0001.2.3.4', ['must not have leading 0s']],
  [rule.isIpAddress, '::ffff:01.2.3.4', ['must not have leading 0s']],
  [rule.isIpAddress, '1:2::03', []],
  [rule.isCidr, '010.0.0.1/8', ['must not have leading 0s in IP or prefix length']],
  [rule.isCidr, '::ffff:1.2.3.4/024', ['must not have leading 0s in IP or prefix length']],
  [rule.isCidr, '::ffff:1.2.3.4/24', ['must not have an IPv4-mapped IPv6 address']],
  [rule.isCidr, '10.0.0.1/8', ['must not have bits set beyond the prefix length']],
  [rule.isIpAddress, '::ffff:1.2.3.4', ['must not be an IPv4-mapped IPv6 address']],
  [rule.isCidr, '10.0.0.0/8', []],
  [rule.isCidr, 'fd00::/64', []],
  [rule.isCidr, '10.0.0.1/8', ['must not have bits set beyond the prefix length']],
  [rule.isCidr, '10.0.0.0/33', ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
  [rule.isCidr, '10.0.0.0', ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
  [rule.isPercent, '25%', []],
  [rule.isFullyQualifiedName, 'a.b', ['should be a domain with at least three segments separated by dots']],
];

for (const [check, value, expected] of cases) {
  test(`${check.name} ${JSON.stringify(value)}`, () => assert.deepEqual(check(value), expected));
}

test('wildcards begin with an asterisk label', () => {
  assert.deepEqual(rule.isWildcardDns('*.example.com'), []);
  assert.equal(rule.isWildcardDns('example.com').length, 1);
});

test('what is checked in parts, and addresses as written in old times, as recorded of apimachinery', () => {
  const subdomain = rule.isDns1123Subdomain('_')[0]!;
  const path = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
  assert.deepEqual(rule.isDomainPrefixedPath('_/é'), [
    { value: '_', why: subdomain },
    { value: 'é', why: path },
  ]);
  assert.deepEqual(rule.isFullyQualifiedDomainName('_.'), [{ value: '_', why: subdomain }]);
  assert.deepEqual(rule.isFullyQualifiedName(`_${'x'.repeat(253)}`), [
    `must be no more than 253 characters,${subdomain}`,
  ]);
  assert.match(rule.isDns1123SubdomainWithUnderscore('<')[0]!, /lower case alphanumeric characters, '_', '-' or '\.'/);
  const zeros = 'must not have leading 0s in IP or prefix length';
  assert.deepEqual(rule.isIpAddress('0110.0.0.0'), ['must not have leading 0s']);
  for (const cidr of ['1.2.3.4/024', '01.2.3.4/0', '::ffff:1.2.3.4/024']) assert.deepEqual(rule.isCidr(cidr), [zeros]);
  assert.deepEqual(rule.isCidr('::ffff:1.2.3.4/96'), ['must not have an IPv4-mapped IPv6 address']);
});
