import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import { describe, it } from 'node:test';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { Secret, ServiceAccount } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { serviceAccountTokenController } from './service-account-token.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const controller = (keys: { privateKey: KeyObject } = rsa) =>
  serviceAccountTokenController({
    keyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    clusterCa: 'CA',
  });
const account = (name: string, more: Draft<ServiceAccount> = {}): Draft<ServiceAccount> => ({
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name, namespace: 'a', uid: `uid-${name}` },
  ...more,
});
const secret = (name: string, of: string, annotations: Record<string, string> = {}): Draft<Secret> => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/service-account-token',
  metadata: { name, namespace: 'a', annotations: { 'kubernetes.io/service-account.name': of, ...annotations } },
});
const found = (bench: ControllerBench, name: string) => bench.client.object(coreV1.secrets, `a/${name}`);
const plain = (text: string | undefined) => Buffer.from(text ?? '', 'base64').toString();

describe('serviceaccount-token-controller', () => {
  it('fills a Secret with a token that verifies, once', async () => {
    await using bench = await controllerBench([controller()], { objects: [account('x'), secret('s', 'x')] });
    await bench.settle();
    const { data, metadata } = found(bench, 's')!;
    assert.equal(plain(data!['ca.crt']), 'CA');
    assert.equal(plain(data!.namespace), 'a');
    assert.equal(metadata.annotations!['kubernetes.io/service-account.uid'], 'uid-x');
    const [header, claims, signature] = plain(data!.token).split('.');
    assert.ok(
      verify('sha256', Buffer.from(`${header}.${claims}`), rsa.publicKey, Buffer.from(signature!, 'base64url')),
    );
    assert.deepEqual(JSON.parse(Buffer.from(claims!, 'base64url').toString()), {
      iss: 'kubernetes/serviceaccount',
      'kubernetes.io/serviceaccount/namespace': 'a',
      'kubernetes.io/serviceaccount/secret.name': 's',
      'kubernetes.io/serviceaccount/service-account.name': 'x',
      'kubernetes.io/serviceaccount/service-account.uid': 'uid-x',
      sub: 'system:serviceaccount:a:x',
    });
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(bench.client.writes(), []);
    const damaged = cloneDeep(found(bench, 's')!) as Draft<Secret>;
    delete damaged.data!['ca.crt'];
    bench.client.set(coreV1.secrets, damaged);
    await bench.settle();
    assert.equal(plain(found(bench, 's')!.data!['ca.crt']), 'CA');
    assert.equal(found(bench, 's')!.data!.token, data!.token, 'the token stays');
  });

  it('signs with an elliptic key too', async () => {
    await using bench = await controllerBench([controller(ec)], { objects: [account('x'), secret('s', 'x')] });
    await bench.settle();
    const [header, claims, signature] = plain(found(bench, 's')!.data!.token).split('.');
    assert.equal(JSON.parse(Buffer.from(header!, 'base64url').toString()).alg, 'ES256');
    const key = { key: ec.publicKey, dsaEncoding: 'ieee-p1363' } as const;
    const signed = Buffer.from(`${header}.${claims}`);
    assert.ok(verify('sha256', signed, key, Buffer.from(signature!, 'base64url')));
  });

  it('deletes Secrets without an account, or of an earlier account of the same name', async () => {
    const earlier = secret('earlier', 'x', { 'kubernetes.io/service-account.uid': 'uid-before' });
    await using bench = await controllerBench([controller()], {
      objects: [account('x'), secret('none', 'y'), earlier, secret('s', 'x')],
    });
    await bench.settle();
    assert.deepEqual(
      bench.client.objects(coreV1.secrets).map(s => s.metadata.name),
      ['s'],
    );
    bench.client.remove(coreV1.serviceaccounts, 'a/x');
    await bench.settle();
    assert.deepEqual(bench.client.objects(coreV1.secrets), []);
  });

  it('takes a Secret that is gone off its account', async () => {
    const secrets = [{ name: 's' }, { name: 'other' }];
    await using bench = await controllerBench([controller()], {
      objects: [account('x', { secrets }), secret('s', 'x')],
    });
    await bench.settle();
    bench.client.remove(coreV1.secrets, 'a/s');
    await bench.settle();
    assert.deepEqual(bench.client.object(coreV1.serviceaccounts, 'a/x')!.secrets, [{ name: 'other' }]);
  });
});
