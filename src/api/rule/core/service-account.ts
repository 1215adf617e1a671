// The rules of ServiceAccounts.
import type { Mutable } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import type { ServiceAccount } from '../../type/core-v1.ts';

const ENFORCE = 'kubernetes.io/enforce-mountable-secrets';

/** Of a reference to a secret only the name counts. */
function nameSecrets(account: Mutable<ServiceAccount>): void {
  if (account.secrets) account.secrets = account.secrets.map(s => (s.name === undefined ? {} : { name: s.name }));
}

export const serviceAccountStrategy: Strategy<ServiceAccount> = {
  nameRule: 'dnsSubdomain',
  allowUnconditionalUpdate: false,
  prepareForCreate: nameSecrets,
  prepareForUpdate: nameSecrets,
  warnings({ metadata }, old) {
    const value = metadata.annotations?.[ENFORCE];
    if (value === undefined || value === old?.metadata.annotations?.[ENFORCE]) return [];
    return [
      `metadata.annotations[${ENFORCE}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets`,
    ];
  },
};
