import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { apiServerFields } from './api-server-fields.ts';
import { readApiServerFiles } from './api-server-files.ts';
import { flagOf } from './api-server-flags.ts';
import { readServerFlags, type ServerFlags, withFlags } from './store-config.ts';

test("fields have the names of kube-apiserver's flags", () => {
  const flags = Object.keys(apiServerFields).map(flagOf);
  for (const name of ['audit-log-maxage', 'oidc-issuer-url', 'requestheader-uid-headers', 'min-request-timeout'])
    assert.ok(flags.includes(name), name);
});

test('flags of the API server are read as Go reads them, and win over the file', () => {
  const args = ['--min-request-timeout=60', '--goaway-chance', '0.01', '--request-timeout=1m', '--profiling'];
  const more = ['--anonymous-auth=f', '--audit-log-path=-', '--audit-policy-file=policy.yaml', '--audit-log-maxage=3'];
  const lists = ['--enable-admission-plugins=A,B', '--enable-admission-plugins=C', '--service-account-key-file=/a,/b'];
  const apiServer = {
    ...{ auditPolicyFile: resolve('policy.yaml'), auditLogPath: '-', auditLogMaxAge: 3, anonymousAuth: false },
    ...{ enableAdmissionPlugins: ['A', 'B', 'C'], serviceAccountKeyFile: ['/a', '/b'], profiling: true },
    ...{ minRequestTimeout: 60, goawayChance: 0.01, requestTimeout: '1m' },
  };
  const read = readServerFlags([...args, ...more, ...lists]);
  assert.deepEqual(read, { apiServer });
  const config = withFlags({ apiServer: { profiling: false, maxRequestsInflight: 7 } }, read);
  assert.deepEqual(config.apiServer, { ...apiServer, maxRequestsInflight: 7 });
  assert.equal(withFlags<ServerFlags>({}, readServerFlags([])).apiServer, undefined);
});

test('a name that is empty is none, over the file as well', () => {
  const file = { tracingConfigFile: '/none/tracing.yaml', auditLogPath: '/none/audit.log', serviceAccountJwksUri: 'x' };
  const args = ['--tracing-config-file=', '--audit-log-path=', '--service-account-jwks-uri=', '--oidc-ca-file='];
  const { apiServer } = withFlags({ apiServer: file }, readServerFlags(args));
  const deps = { clock: new VirtualClock(), log: silentLog };
  assert.deepEqual(readApiServerFiles(apiServer, deps).options, {});
});

test('values that cannot be read are told as pflag tells them', () => {
  for (const [arg, why] of [
    ['--min-request-timeout=x', 'strconv.ParseInt: parsing "x": invalid syntax'],
    ['--min-request-timeout=', 'strconv.ParseInt: parsing "": invalid syntax'],
    ['--goaway-chance=x', 'strconv.ParseFloat: parsing "x": invalid syntax'],
    ['--profiling=x', 'strconv.ParseBool: parsing "x": invalid syntax'],
    ['--request-timeout=x', 'time: invalid duration "x"'],
  ] as const) {
    const [, name, value] = /^--([^=]+)=(.*)$/.exec(arg)!;
    const message = `invalid argument ${JSON.stringify(value)} for "--${name}" flag: ${why}`;
    assert.throws(() => readServerFlags([arg]), { message });
  }
});
