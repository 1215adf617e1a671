import assert from 'node:assert/strict';
import { test } from 'node:test';
import { etcdNeeds, installSteps, missingNeeds, type Need, needs, packageManager } from './setup.ts';

const missing = needs.filter(n => ['containerd', 'conntrack', 'containernetworking-plugins'].includes(n.package));

test('each package manager gets its own names, apt its lists first unless they are there', () => {
  const commands = (manager: Parameters<typeof installSteps>[0], fresh: boolean) =>
    installSteps(manager, missing, fresh).map(s => s.command.join(' '));
  assert.deepEqual(commands('apt-get', false), [
    'apt-get -q update',
    'apt-get -q -y --no-install-recommends -o Dpkg::Use-Pty=0 install containerd containernetworking-plugins conntrack',
  ]);
  assert.equal(commands('apt-get', true).length, 1);
  assert.deepEqual(commands('apk', false), ['apk add containerd cni-plugins conntrack-tools']);
  assert.deepEqual(commands('dnf', false), ['dnf -y install containerd containernetworking-plugins conntrack-tools']);
});

test('etcd brings its client, in one package or in two', () => {
  const packages = (manager: Parameters<typeof installSteps>[0]) =>
    installSteps(manager, etcdNeeds, true).map(s => s.title);
  assert.deepEqual(packages('apt-get'), ['installing etcd-server, etcd-client']);
  assert.deepEqual(packages('apk'), ['installing etcd, etcd-ctl']);
  assert.deepEqual(packages('dnf'), ['installing etcd']);
});

test('only what is absent is missing', () => {
  const need = (name: string, there: boolean): Need => ({ package: name, why: '', present: () => there });
  assert.deepEqual(
    missingNeeds([need('a', true), need('b', false)]).map(n => n.package),
    ['b'],
  );
  assert.equal(
    packageManager(n => n === 'dnf' || n === 'zypper'),
    'dnf',
  );
  assert.equal(
    packageManager(() => false),
    undefined,
  );
});
