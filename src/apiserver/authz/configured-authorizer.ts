// The authorizers of an AuthorizationConfiguration, put together; another configuration may take their place.
import type { Metrics } from '../../base/metrics.ts';
import type { UserInfo } from '../authn/user.ts';
import {
  type Attributes,
  type Authorizer,
  type ResolvedRules,
  type RuleResolver,
  superuserAuthorizer,
  unionAuthorizer,
  unionRuleResolver,
  type Verdict,
} from './authorizer.ts';
import type { AuthorizerPlan, AuthorizerType, WebhookPlan } from './configuration.ts';

type Member = Authorizer & RuleResolver;

export interface AuthorizerParts {
  readonly node: Member;
  readonly rbac: Member;
  /** Where there is a policy file. */
  readonly abac?: Member | undefined;
  webhook(name: string, plan: WebhookPlan): Member;
  readonly metrics?: Metrics | undefined;
}

/** As --authorization-mode without any other word. */
export const defaultPlan: readonly AuthorizerPlan[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
];

/** The authorizers asked in order behind the superuser's. Counts what each decided. */
export class ConfiguredAuthorizer implements Authorizer, RuleResolver {
  readonly #parts: AuthorizerParts;
  readonly #atStart: ReadonlySet<AuthorizerType>;
  #members: readonly Counted[] = [];
  #union: Authorizer = unionAuthorizer([]);
  #rules: RuleResolver = unionRuleResolver([]);

  constructor(parts: AuthorizerParts, plan: readonly AuthorizerPlan[]) {
    this.#parts = parts;
    this.#atStart = new Set(plan.map(p => p.type));
    this.replace(plan);
    parts.metrics?.onCollect(() => this.#publish());
  }

  /** Throws an error, and changes nothing, when the plan needs what was not there at the start. */
  replace(plan: readonly AuthorizerPlan[]): void {
    const members = plan.map(p => new Counted(p, this.#member(p)));
    this.#publish();
    this.#members = members;
    this.#union = unionAuthorizer([superuserAuthorizer, ...members.map(m => m.member)], (i, decision) => {
      if (i > 0) members[i - 1]![decision === 'allow' ? 'allowed' : 'denied']++;
    });
    this.#rules = unionRuleResolver(members.map(m => m.member));
  }

  authorize(attributes: Attributes): Verdict | Promise<Verdict> {
    return this.#union.authorize(attributes);
  }

  rulesFor(user: UserInfo, namespace: string): ResolvedRules {
    return this.#rules.rulesFor(user, namespace);
  }

  #member(plan: AuthorizerPlan): Member {
    const { node, rbac, abac, webhook } = this.#parts;
    switch (plan.type) {
      case 'Webhook':
        return webhook(plan.name, plan.webhook);
      case 'AlwaysAllow':
        return always({ decision: 'allow', reason: '' }, [
          { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
          { verbs: ['*'], nonResourceURLs: ['*'] },
        ]);
      case 'AlwaysDeny':
        return always({ decision: 'noOpinion', reason: 'Everything is forbidden.' }, []);
      default:
        if (!this.#atStart.has(plan.type))
          throw new Error(
            `authorizer type ${plan.type} is not allowed if it was not enabled at initial server startup`,
          );
        if (plan.type !== 'ABAC') return plan.type === 'Node' ? node : rbac;
        if (!abac) throw new Error("authorization-mode ABAC's authorization policy file not passed");
        return abac;
    }
  }

  // Counted in plain numbers: a counter with labels costs more than RBAC's answer.
  #publish(): void {
    const metric = this.#parts.metrics?.counter(
      'apiserver_authorization_decisions_total',
      'Terminal decisions made by an authorizer.',
      ['type', 'name', 'decision'],
    );
    for (const { plan, allowed, denied } of this.#members) {
      const labels = { type: plan.type, name: plan.name };
      if (allowed) metric?.inc({ ...labels, decision: 'allowed' }, allowed);
      if (denied) metric?.inc({ ...labels, decision: 'denied' }, denied);
    }
    for (const member of this.#members) member.allowed = member.denied = 0;
  }
}

class Counted {
  readonly plan: AuthorizerPlan;
  readonly member: Member;
  allowed = 0;
  denied = 0;

  constructor(plan: AuthorizerPlan, member: Member) {
    this.plan = plan;
    this.member = member;
  }
}

function always(verdict: Verdict, rules: ResolvedRules['rules']): Member {
  return { authorize: () => verdict, rulesFor: () => ({ rules, incomplete: false, errors: [] }) };
}
