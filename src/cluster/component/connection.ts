// How a component that runs by itself reaches an API server, ours or another.
import { coreV1 } from '../../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../../api/status.ts';
import type { TokenRequest } from '../../api/type/authentication-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Metrics } from '../../base/metrics.ts';
import type { Client } from '../../client/client.ts';
import { type HttpClientOptions, httpClient } from '../../client/http-client.ts';
import { accessTo, inClusterAccess, loadKubeconfig } from '../../client/kubeconfig.ts';

export interface ConnectionOptions {
  /** Absent: the usual files, or the pod's own service account. */
  readonly kubeconfig?: string;
  readonly userAgent: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics;
}

export interface Connection {
  readonly client: Client;
  /** PEM of the CA that verifies the API server; '' when none is given. */
  readonly ca: string;
  close(): void;
}

/** Throws an error that says what the kubeconfig lacks. */
export function connectTo(options: ConnectionOptions): Connection {
  const { clock, log, userAgent, metrics } = options;
  const inCluster = options.kubeconfig ? undefined : inClusterAccess(clock);
  const access = inCluster ?? accessTo(loadKubeconfig(options.kubeconfig ? { path: options.kubeconfig } : {}), clock);
  const open: { close(): void }[] = [];
  const make = (more: Partial<HttpClientOptions>, from: HttpClientOptions = access) => {
    const client = httpClient({ ...from, ...more, clock, log, ...(metrics ? { metrics } : {}) });
    open.push(client);
    return client;
  };
  const own = make({ userAgent });
  const { cert: _cert, key: _key, token: _token, basic: _basic, impersonate: _impersonate, ...unnamed } = access;
  const { tls } = access;
  const authority = (): { ca?: string } => {
    const { ca } = tls?.() ?? access;
    return ca ? { ca } : {};
  };
  const anonymous = { ...unnamed, tls: authority };
  const accounts = new Map<string, Client>();
  const as: Client['as'] = ({ userAgent: agent, serviceAccount }) => {
    if (!serviceAccount) return make({ userAgent: agent });
    let client = accounts.get(serviceAccount);
    if (!client) {
      client = make({ userAgent: agent, token: tokenOf(own, serviceAccount, clock) }, anonymous);
      accounts.set(serviceAccount, client);
    }
    return client;
  };
  const client = new Proxy(own as Client, {
    get(target, name) {
      if (name === 'as') return as;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return {
    client,
    ca: access.ca ?? '',
    close: () => {
      for (const c of open) c.close();
    },
  };
}

const namespace = 'kube-system';
const tokenSeconds = 3600;
const renewMs = (tokenSeconds * 1000 * 4) / 5;

/**
 * Tokens of a service account of kube-system, which is made when it is not there; asked for again before they end, and
 * when the server no longer accepts one: the account was made anew, or the server got another key.
 */
function tokenOf(client: Client, name: string, clock: Clock): (refused?: string) => Promise<string> {
  let token: Promise<string> | undefined;
  let held: string | undefined;
  let fromMs = 0;
  const request = async (): Promise<string> => {
    const body = { spec: { audiences: [], expirationSeconds: tokenSeconds } };
    const ask = () =>
      client.createSubresource<TokenRequest>(coreV1.serviceaccounts, { namespace, name }, 'token', body as never);
    try {
      return (await ask()).status?.token ?? '';
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    try {
      await client.create(coreV1.serviceaccounts, { metadata: { namespace, name } });
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return (await ask()).status?.token ?? '';
  };
  return refused => {
    const accepted = refused === undefined || refused !== held;
    if (token && accepted && clock.monotonic() - fromMs < renewMs) return token;
    fromMs = clock.monotonic();
    held = undefined;
    const asked = request();
    token = asked;
    asked.then(
      given => {
        held = given;
      },
      () => {
        if (token === asked) token = undefined;
      },
    );
    return asked;
  };
}
