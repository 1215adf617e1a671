import type { Container, Pod } from '../../api/type/core-v1.ts';

export const isSidecar = (container: { readonly restartPolicy?: string }) => container.restartPolicy === 'Always';

/** What the first matching rule of a container says about an exit code. */
export function ruleFor(container: Container, exitCode: number): 'Restart' | 'RestartAllContainers' | undefined {
  for (const rule of container.restartPolicyRules ?? []) {
    const on = rule.exitCodes;
    if (!on) continue;
    const listed = on.values?.includes(exitCode) ?? false;
    if (on.operator === 'In' ? listed : on.operator === 'NotIn' ? !listed : false)
      return rule.action === 'RestartAllContainers' ? 'RestartAllContainers' : 'Restart';
  }
  return undefined;
}

/** The policy that governs one container: its own, else the pod's; Always for an init container means OnFailure. */
export function policyOf(pod: Pod, container: Container, isInit: boolean): 'Always' | 'OnFailure' | 'Never' {
  const own = container.restartPolicy as 'Always' | 'OnFailure' | 'Never' | undefined;
  if (own) return own;
  const policy = pod.spec.restartPolicy ?? 'Always';
  return isInit && policy === 'Always' ? 'OnFailure' : policy;
}

/** Whether an exited container starts again, back-off aside. */
export function restartsAfter(pod: Pod, container: Container, exitCode: number, isInit: boolean): boolean {
  if (ruleFor(container, exitCode)) return true;
  const policy = policyOf(pod, container, isInit);
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0);
}

/** Whether the container may ever start again, whatever its exit code turns out to be. */
export function mayRestart(pod: Pod, container: Container, isInit: boolean): boolean {
  return policyOf(pod, container, isInit) !== 'Never' || (container.restartPolicyRules?.length ?? 0) > 0;
}
