// Who this server is to admission webhooks, by the kubeconfig of a WebhookAdmissionConfiguration: its users are named as
// the servers they are for.
import type { Clock } from '../../base/clock.ts';
import { accessTo, type ClusterAccess, type Kubeconfig } from '../../client/kubeconfig.ts';
import { readDocument } from '../configuration/document.ts';

/** Undefined: nobody. `hostPort`: `NAME.NAMESPACE.svc:443` or as in the URL, always with the port. */
export type WebhookIdentity = (hostPort: string) => ClusterAccess | undefined;

/** The file a WebhookAdmissionConfiguration names; undefined when none. */
export function readWebhookAdmission(text: string): string | undefined {
  const fields = { kubeConfigFile: 'string' } as const;
  const { kubeConfigFile } = readDocument<{ kubeConfigFile?: string }>(
    text,
    { kind: 'WebhookAdmissionConfiguration', versions: ['v1'], fields },
    { kind: 'WebhookAdmission', versions: ['v1alpha1'], fields },
  );
  return kubeConfigFile || undefined;
}

/** The name of a user for this server: its own, else the closest `*.domain`, else `*`. */
function userFor(hostPort: string, users: ReadonlySet<string>): string | undefined {
  const places = hostPort.endsWith(':443') ? [hostPort, hostPort.slice(0, -':443'.length)] : [hostPort];
  for (const place of places) {
    if (users.has(place)) return place;
    const steps = place.split('.');
    for (let i = 1; i < steps.length; i++) {
      const name = `*.${steps.slice(i).join('.')}`;
      if (users.has(name)) return name;
    }
  }
  return users.has('*') ? '*' : undefined;
}

export function webhookIdentity(config: Kubeconfig, clock: Clock): WebhookIdentity {
  const users = new Set(config.users.map(u => u.name));
  const { 'current-context': current = '', contexts } = config;
  const usual = contexts.find(c => c.name === current)?.context.user;
  // Tokens out of files and plugins are kept with it.
  const known = new Map<string, ClusterAccess>();
  return hostPort => {
    const user = userFor(hostPort, users) ?? usual;
    if (!user || !users.has(user)) return undefined;
    const found = known.get(user) ?? accessTo(config, clock, { user, server: `https://${hostPort}` });
    known.set(user, found);
    return found;
  };
}
