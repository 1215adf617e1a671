// May this user do this? The contract, the union, and how a refusal reads.
import type { FieldSelector } from '../../api/field-selector.ts';
import type { Selector } from '../../api/label-selector.ts';
import { forbidden, internalError, type StatusError } from '../../api/status.ts';
import type { PolicyRule } from '../../api/type/rbac-v1.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';

/** What somebody wants to do. Strings that do not apply are ''. */
export interface Attributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly isResource: boolean;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  /** Of list and watch: the value of the field selector `metadata.name=…`, when there is one. */
  readonly name: string;
  readonly path: string;
  /** The parsed selectors of list, watch and deletecollection: a node may list only its own pods. */
  readonly fieldSelector?: FieldSelector;
  readonly labelSelector?: Selector;
}

export type Decision = 'allow' | 'deny' | 'noOpinion';

export interface Verdict {
  readonly decision: Decision;
  /** For audit, SubjectAccessReview and the refusal; may be ''. */
  readonly reason: string;
  /** What kept the answer from being complete. */
  readonly error?: string;
}

/** Decides at once where local copies suffice (RBAC, Node); a promise where others must be asked. Never rejects. */
export interface Authorizer {
  authorize(attributes: Attributes): Verdict | Promise<Verdict>;
}

/** Always decides at once. */
export interface SyncAuthorizer extends Authorizer {
  authorize(attributes: Attributes): Verdict;
}

/** What a user may do in a namespace, as far as it can be enumerated. */
export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  /** True when there may be more. */
  readonly incomplete: boolean;
  readonly errors: readonly string[];
}

export interface RuleResolver {
  /** Cluster-wide rules, and those of `namespace` unless it is ''. */
  rulesFor(user: UserInfo, namespace: string): ResolvedRules;
}

const allowed: Verdict = { decision: 'allow', reason: '' };

/** system:masters may do everything, whatever RBAC says. */
export const superuserAuthorizer: SyncAuthorizer = {
  authorize: attributes =>
    attributes.user.groups.includes(systemPrivilegedGroup) ? allowed : { decision: 'noOpinion', reason: '' },
};

/** Told which member decided, by its place. */
type OnDecided = (member: number, decision: Decision) => void;

export function unionAuthorizer(members: readonly SyncAuthorizer[]): SyncAuthorizer;
export function unionAuthorizer(members: readonly Authorizer[], onDecided?: OnDecided): Authorizer;
/** Asks one after the other; the first that has an opinion decides. At once, as long as its members do. */
export function unionAuthorizer(members: readonly Authorizer[], onDecided?: OnDecided): Authorizer {
  function askFrom(from: number, attributes: Attributes, reason: string, error: string): Verdict | Promise<Verdict> {
    for (let i = from; i < members.length; i++) {
      const answer = members[i]!.authorize(attributes);
      if (answer instanceof Promise) {
        return answer.then(verdict => {
          if (verdict.decision === 'noOpinion')
            return askFrom(i + 1, attributes, joined(reason, verdict.reason), joined(error, verdict.error));
          onDecided?.(i, verdict.decision);
          return verdict;
        });
      }
      if (answer.decision !== 'noOpinion') {
        onDecided?.(i, answer.decision);
        return answer;
      }
      if (answer.reason) reason = joined(reason, answer.reason);
      if (answer.error) error = joined(error, answer.error);
    }
    return { decision: 'noOpinion', reason, ...(error ? { error } : {}) };
  }
  return { authorize: attributes => askFrom(0, attributes, '', '') };
}

const joined = (before: string, next = '') => (before && next ? `${before}\n${next}` : before || next);

/** Throws, or rejects with, the 403 unless it is allowed; undefined when that was known at once. */
export function requireAllowed(authorizer: Authorizer, attributes: Attributes): Promise<void> | undefined {
  const answer = authorizer.authorize(attributes);
  if (answer instanceof Promise) return answer.then(verdict => refuseUnless(verdict, attributes));
  refuseUnless(answer, attributes);
  return undefined;
}

function refuseUnless({ decision, reason, error }: Verdict, attributes: Attributes): void {
  if (decision === 'allow') return;
  throw error ? internalError(error) : forbiddenError(attributes, reason);
}

/** Puts together what several resolvers know. */
export function unionRuleResolver(members: readonly RuleResolver[]): RuleResolver {
  return {
    rulesFor(user, namespace) {
      const parts = members.map(m => m.rulesFor(user, namespace));
      return {
        rules: parts.flatMap(p => p.rules),
        incomplete: parts.some(p => p.incomplete),
        errors: parts.flatMap(p => p.errors),
      };
    },
  };
}

function deniedAction(a: Attributes): string {
  const user = JSON.stringify(a.user.name);
  if (!a.isResource) return `User ${user} cannot ${a.verb} path ${JSON.stringify(a.path)}`;
  const resource = JSON.stringify(a.subresource ? `${a.resource}/${a.subresource}` : a.resource);
  const where = a.namespace ? `in the namespace ${JSON.stringify(a.namespace)}` : 'at the cluster scope';
  return `User ${user} cannot ${a.verb} resource ${resource} in API group ${JSON.stringify(a.group)} ${where}`;
}

const markup: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

/** The 403 a refused request gets. */
export function forbiddenError(a: Attributes, reason = ''): StatusError {
  const action = deniedAction(a).replace(/[&<>]/g, c => markup[c]!);
  return forbidden(
    a.isResource ? { group: a.group, resource: a.resource } : { group: '', resource: '' },
    a.isResource ? a.name : '',
    reason ? `${action}: ${reason}` : action,
  );
}

/** Its message: `pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function forbiddenMessage(a: Attributes, reason = ''): string {
  return forbiddenError(a, reason).message;
}
