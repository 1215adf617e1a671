import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type OwnKubelets, readKubeletAccess } from './kubelet-access.ts';

const files = { kubeletCa: '/pki/ca.crt', kubeletClient: { cert: '/pki/k.crt', key: '/pki/k.key' } };
const own: OwnKubelets = { ca: 'CA', client: { cert: 'C', key: 'K' }, files, verifiedNodes: undefined };

test('nobody is verified unless nodes are known to be ours, or an authority is named for all', () => {
  const client = { cert: 'C', key: 'K' };
  assert.deepEqual(readKubeletAccess({}, own), { kubelet: client, files: { kubeletClient: files.kubeletClient } });
  assert.deepEqual(readKubeletAccess({}, { ...own, verifiedNodes: ['n-1'] }), {
    kubelet: { ca: 'CA', verifiedNodes: ['n-1'], ...client },
    files,
  });
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-kubelets-'));
  try {
    const path = (name: string) => join(directory, name);
    for (const name of ['ca', 'c', 'k']) writeFileSync(path(name), `their ${name}`);
    const given = {
      ...{ kubeletCertificateAuthority: path('ca'), kubeletClientCertificate: path('c'), kubeletClientKey: path('k') },
      ...{ kubeletPort: 10350, kubeletTimeout: '1m', kubeletPreferredAddressTypes: ['Hostname'] },
    };
    assert.deepEqual(readKubeletAccess(given, { ...own, verifiedNodes: ['n-1'] }), {
      kubelet: {
        ...{ ca: 'their ca', cert: 'their c', key: 'their k' },
        ...{ port: 10350, timeoutMs: 60_000, preferredAddressTypes: ['Hostname'] },
      },
      files: { kubeletCa: path('ca'), kubeletClient: { cert: path('c'), key: path('k') } },
    });
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('half a pair and files that are not there are named', () => {
  assert.throws(
    () => readKubeletAccess({ kubeletClientKey: '/k' }, own),
    /--kubelet-client-certificate and --kubelet-client-key must be specified together/,
  );
  assert.throws(
    () => readKubeletAccess({ kubeletCertificateAuthority: '/none/ca.crt' }, own),
    /^Error: reading \/none\/ca.crt: ENOENT/,
  );
});
