import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readCredentialProviders } from './credential-provider-file.ts';

test('plugins are read with their programs, and both must be there', t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-credential-provider-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config.yaml');
  writeFileSync(
    file,
    `apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: plugin
  matchImages: ['*.example.com']
  defaultCacheDuration: 1h
  apiVersion: credentialprovider.kubelet.k8s.io/v1
`,
  );
  const files = { imageCredentialProviderConfig: file, imageCredentialProviderBinDir: directory };
  assert.throws(() => readCredentialProviders(files), /^Error: reading .*config\.yaml: ENOENT.*plugin'$/);
  writeFileSync(join(directory, 'plugin'), '');
  assert.throws(() => readCredentialProviders(files), /EACCES.*plugin'$/);
  chmodSync(join(directory, 'plugin'), 0o755);
  const { providers, directory: found } = readCredentialProviders(files).credentialProviders!;
  assert.deepEqual([providers.map(p => [p.name, p.defaultCacheMs]), found], [[['plugin', 3_600_000]], directory]);
  assert.deepEqual(readCredentialProviders(), {});
  assert.throws(() => readCredentialProviders({ imageCredentialProviderConfig: file }), /go together/);
});
