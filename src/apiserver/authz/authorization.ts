// The authorizer of a server: what its configuration names, followed when it is a file.

import type { Metrics } from '../../base/metrics.ts';
import { accessTo, inClusterAccess, readKubeconfig } from '../../client/kubeconfig.ts';
import { FollowedFile } from '../configuration/followed-file.ts';
import type { ApiContext } from '../context.ts';
import type { WebhookClient } from '../extension/webhook-client.ts';
import { abacAuthorizer } from './abac.ts';
import { type AuthorizerPlan, readAuthorizationConfiguration, type WebhookPlan } from './configuration.ts';
import { type AuthorizerParts, ConfiguredAuthorizer, defaultPlan } from './configured-authorizer.ts';
import { WebhookAuthorizer } from './webhook-authorizer.ts';

export interface AuthorizationOptions {
  /** Text of the policy file of ABAC. */
  readonly abacPolicies?: string;
  readonly plan: readonly AuthorizerPlan[];
  /** The AuthorizationConfiguration the plan was read from; changes take effect. */
  readonly file?: { readonly path: string; readonly text: string };
}

export interface AuthorizationDeps {
  readonly context: ApiContext;
  readonly node: AuthorizerParts['node'];
  readonly rbac: AuthorizerParts['rbac'];
  readonly webhooks: WebhookClient;
  readonly options: AuthorizationOptions | undefined;
  readonly metrics?: Metrics | undefined;
}

/** Throws an error when the configuration cannot be carried out. */
export function createAuthorization(deps: AuthorizationDeps): ConfiguredAuthorizer {
  const { context, node, rbac, webhooks, options, metrics } = deps;
  const { clock, log } = context;
  const webhook = (name: string, plan: WebhookPlan) => {
    const access = plan.kubeconfig ? accessTo(readKubeconfig(plan.kubeconfig), clock) : inClusterAccess(clock);
    if (!access) throw new Error(`authorizer ${name}: InClusterConfig: not inside a cluster`);
    const post = (body: unknown, timeoutMs: number) => webhooks.postTo(access, body, timeoutMs);
    return new WebhookAuthorizer({ name, plan, post, clock, metrics });
  };
  const abac = options?.abacPolicies === undefined ? undefined : abacAuthorizer(options.abacPolicies);
  const authorizer = new ConfiguredAuthorizer({ node, rbac, abac, webhook, metrics }, options?.plan ?? defaultPlan);
  const { file } = options ?? {};
  if (file) {
    const followed = new FollowedFile({
      file: file.path,
      text: file.text,
      apply: text => authorizer.replace(readAuthorizationConfiguration(text)),
      name: 'authorization',
      clock,
      log,
      metrics,
    });
    context.onShutdown.add(() => followed.stop());
  }
  return authorizer;
}
