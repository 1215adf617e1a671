// service-account-controller: every active namespace has a ServiceAccount called `default`.
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists } from '../../api/status.ts';
import type { Namespace, ServiceAccount } from '../../api/type/core-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { isNamespaceTerminating } from '../pod-control.ts';
import { missingAccounts } from './kernel/missing-accounts.ts';

const accountNames = ['default'];

export function serviceAccountController(): Controller {
  return {
    name: 'serviceaccount-controller',
    queue: 'serviceaccount',
    serviceAccount: 'service-account-controller',
    watches: [
      { resource: coreV1.namespaces, keys: (n: Namespace) => [n.metadata.name] },
      {
        resource: coreV1.serviceaccounts,
        keys: (a: ServiceAccount, _old, _context, deleted) =>
          deleted && accountNames.includes(a.metadata.name) ? [a.metadata.namespace!] : [],
      },
    ],
    writes: ['serviceaccounts'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, context: ControllerContext): Promise<void> {
  const accounts = context.lister(coreV1.serviceaccounts);
  const missing = missingAccounts(context.lister(coreV1.namespaces).get(key), accountNames, name =>
    accounts.get(`${key}/${name}`),
  );
  for (const name of missing) {
    try {
      await context.client.create<ServiceAccount>(coreV1.serviceaccounts, { metadata: { name, namespace: key } });
    } catch (error) {
      if (!isAlreadyExists(error) && !isNamespaceTerminating(error)) throw error;
    }
  }
}
