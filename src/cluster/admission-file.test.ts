import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { readApiServerFiles } from './api-server-files.ts';

const directory = mkdtempSync(join(tmpdir(), 'admission-file-'));
after(() => rmSync(directory, { recursive: true }));

function read(text: string) {
  const admissionControlConfigFile = join(directory, 'admission.yaml');
  writeFileSync(admissionControlConfigFile, text);
  return readApiServerFiles({ admissionControlConfigFile }, { clock: new VirtualClock(), log: silentLog }).options;
}

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\n';
const admission = `${head}plugins:\n`;
const podSecurity = (rest: string) =>
  `{apiVersion: pod-security.admission.config.k8s.io/v1, kind: PodSecurityConfiguration, ${rest}}`;

test('pod security by default and exemptions come from the file, or from one that it names', () => {
  const rest =
    'defaults: {enforce: baseline, enforce-version: v1.30, warn: restricted}, exemptions: {usernames: [eve], namespaces: [kube-system], runtimeClasses: [vm]}';
  const settings = {
    defaults: {
      enforce: { level: 'baseline', version: 'v1.30' },
      audit: { level: 'privileged', version: 'latest' },
      warn: { level: 'restricted', version: 'latest' },
    },
    exemptions: { usernames: ['eve'], namespaces: ['kube-system'], runtimeClasses: ['vm'] },
  };
  const inside = read(`${head}plugins:\n- {name: PodSecurity, configuration: ${podSecurity(rest)}}\n`);
  assert.deepEqual(inside.podSecurity, settings);
  writeFileSync(join(directory, 'pods.yaml'), podSecurity(rest));
  assert.deepEqual(read(`${head}plugins:\n- {name: PodSecurity, path: pods.yaml}\n`).podSecurity, settings);
  assert.equal(read(head).podSecurity, undefined);
});

test('what a quota has to cover comes from the file, in any of its versions', () => {
  const limitedResources = [
    {
      resource: 'pods',
      matchContains: ['cpu'],
      matchScopes: [{ scopeName: 'PriorityClass', operator: 'In', values: ['a'] }],
    },
  ];
  const written = (head: string) =>
    read(
      `${admission}- {name: ResourceQuota, configuration: {${head}, limitedResources: ${JSON.stringify(limitedResources)}}}\n`,
    );
  for (const head of [
    'apiVersion: apiserver.config.k8s.io/v1, kind: ResourceQuotaConfiguration',
    'apiVersion: resourcequota.admission.k8s.io/v1beta1, kind: Configuration',
  ])
    assert.deepEqual(written(head).admission, { limitedResources });
  assert.throws(() => written('apiVersion: v1, kind: Configuration'), /no kind "Configuration" is registered/);
});

test('a file that is wrong is named, with the field', () => {
  const refused = (rest: string, why: RegExp) =>
    assert.throws(() => read(`${head}plugins:\n- {name: PodSecurity, configuration: ${podSecurity(rest)}}\n`), why);
  refused('defaults: {enforce: x}', /reading .*admission.yaml: defaults.enforce: Invalid value: "x": must be one of/);
  refused('defaults: {warn-version: "1.2"}', /defaults.warn-version: Invalid value: "1.2": must be "latest" or "v1.x"/);
  refused('exemptions: {namespaces: [a, a]}', /exemptions.namespaces\[1\]: Duplicate value: "a"/);
  refused('exemptions: {users: [a]}', /unknown field "users"/);
  assert.throws(() => read(`${head}plugins: [{name: Mystery}]`), /plugin "Mystery" takes no configuration/);
  assert.throws(() => read('kind: Pod'), /no kind "Pod" is registered/);
});
