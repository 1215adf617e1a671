// Webhook configurations as the server uses them: prepared once, anew when a configuration changes.
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../../../api/type/admissionregistration-v1.ts';
import type { WatchCache } from '../../registry/watch-cache.ts';
import { type Matcher, matcherOf } from '../match/match.ts';
import { type Conditions, conditionsOf } from './conditions.ts';

/** A validating one says nothing of being called again. */
export type Webhook = MutatingWebhook;

export interface Hook {
  readonly webhook: Webhook;
  readonly name: string;
  /** Of the configuration and the webhook's place in it. */
  readonly id: string;
  readonly configuration: string;
  readonly matcher: Matcher;
  readonly conditions: Conditions | undefined;
  readonly timeoutMs: number;
  readonly failsOpen: boolean;
  readonly supportsDryRun: boolean;
  readonly reinvocable: boolean;
}

/** The hooks of every configuration in `cache`, in the order they are called: by the configuration's name. */
export class HookSource {
  readonly #cache: WatchCache;
  #made: { from: unknown; hooks: readonly Hook[] } | undefined;

  constructor(cache: WatchCache) {
    this.#cache = cache;
  }

  get hooks(): readonly Hook[] {
    if (this.#cache.size === 0) return none;
    const snapshot = this.#cache.snapshot();
    if (this.#made?.from !== snapshot) {
      const hooks: Hook[] = [];
      snapshot.scan('', undefined, ({ object }) => {
        hooks.push(...hooksOf(object as unknown as MutatingWebhookConfiguration));
        return true;
      });
      this.#made = { from: snapshot, hooks };
    }
    return this.#made.hooks;
  }
}

const none: readonly Hook[] = [];
const defaultTimeoutSeconds = 10;
const supportsDryRun = new Set(['None', 'NoneOnDryRun']);

function hooksOf(configuration: MutatingWebhookConfiguration | ValidatingWebhookConfiguration): Hook[] {
  const { name } = configuration.metadata;
  return ((configuration.webhooks ?? []) as readonly Webhook[]).map((webhook, i) => ({
    webhook,
    name: webhook.name,
    id: `${name}/${webhook.name}/${i}`,
    configuration: name,
    matcher: matcherOf({
      rules: webhook.rules ?? [],
      matchPolicy: webhook.matchPolicy,
      namespaceSelector: webhook.namespaceSelector,
      objectSelector: webhook.objectSelector,
    }),
    conditions: conditionsOf(webhook.matchConditions),
    timeoutMs: (webhook.timeoutSeconds ?? defaultTimeoutSeconds) * 1000,
    failsOpen: webhook.failurePolicy === 'Ignore',
    supportsDryRun: supportsDryRun.has(webhook.sideEffects ?? ''),
    reinvocable: webhook.reinvocationPolicy === 'IfNeeded',
  }));
}
