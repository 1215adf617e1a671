// bootstrap-signer-controller: signs the kubeconfig in kube-public/cluster-info with every bootstrap token that is for
// signing, so that whoever holds one can tell that it is this cluster's.
import { createHmac } from 'node:crypto';
import { cloneDeep } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import type { ConfigMap, Secret } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { type SigningToken, signingToken, withSignatures } from './kernel/signing-token.ts';

const clusterInfo = 'kube-public/cluster-info';
const tokenNamespace = 'kube-system';

export function bootstrapSignerController(): Controller {
  return {
    name: 'bootstrap-signer-controller',
    queue: 'bootstrap_signer_queue',
    serviceAccount: 'bootstrap-signer',
    watches: [
      {
        resource: coreV1.configmaps,
        keys: (c: ConfigMap, _old, _context, deleted) =>
          !deleted && `${c.metadata.namespace}/${c.metadata.name}` === clusterInfo ? [clusterInfo] : [],
      },
      {
        resource: coreV1.secrets,
        keys: (s: Secret) =>
          s.metadata.namespace === tokenNamespace && s.type === 'bootstrap.kubernetes.io/token' ? [clusterInfo] : [],
      },
    ],
    writes: ['configmaps'],
    workers: 1,
    create: context => ({ reconcile: () => reconcile(context) }),
  };
}

async function reconcile({ client, clock, lister }: ControllerContext): Promise<void> {
  const info = lister(coreV1.configmaps).get(clusterInfo);
  const kubeconfig = info?.data?.kubeconfig;
  if (!info || kubeconfig === undefined) return;
  const signatures = new Map<string, string>();
  for (const secret of lister(coreV1.secrets).list(tokenNamespace)) {
    const read = (name: string) => Buffer.from(secret.data?.[name] ?? '', 'base64').toString('utf8');
    const token = signingToken(secret, read, clock.now());
    if (token) signatures.set(token.id, detachedSignature(kubeconfig, token));
  }
  const data = withSignatures(info.data!, signatures);
  if (data) await client.update<ConfigMap>(coreV1.configmaps, cloneDeep({ ...info, data }));
}

/** A JSON Web Signature (HS256) without its content. */
function detachedSignature(content: string, { id, secret }: SigningToken): string {
  const header = Buffer.from(JSON.stringify({ alg: 'HS256', kid: id })).toString('base64url');
  const payload = Buffer.from(content).toString('base64url');
  const signature = createHmac('sha256', secret).update(`${header}.${payload}`).digest('base64url');
  return `${header}..${signature}`;
}
