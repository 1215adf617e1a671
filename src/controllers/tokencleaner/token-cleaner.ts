// token-cleaner-controller: deletes bootstrap tokens whose time has passed.
import { keyOf, parseKey } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext, Result } from '../../engine/controller.ts';
import { tokenLifeMs } from './kernel/token-life.ts';

const namespace = 'kube-system';

export function tokenCleanerController(): Controller {
  return {
    name: 'token-cleaner-controller',
    queue: 'token_cleaner',
    serviceAccount: 'token-cleaner',
    watches: [
      {
        resource: coreV1.secrets,
        keys: (s: Secret, _old, _context, deleted) =>
          !deleted && s.metadata.namespace === namespace && s.type === 'bootstrap.kubernetes.io/token'
            ? [keyOf(s)]
            : [],
      },
    ],
    writes: ['secrets'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, { client, clock, lister }: ControllerContext): Promise<Result | undefined> {
  const secret = lister(coreV1.secrets).get(key);
  if (!secret) return undefined;
  const expiration = Buffer.from(secret.data?.expiration ?? '', 'base64').toString('utf8');
  const left = tokenLifeMs(secret, expiration, clock.now());
  if (left === undefined) return undefined;
  if (left > 0) return { requeueAfterMs: left };
  try {
    await client.delete(coreV1.secrets, parseKey(key), { preconditions: { uid: secret.metadata.uid! } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return undefined;
}
