// What follows a placement and may wait: permission, preparation, the binding itself.
import type { Clock } from '../base/clock.ts';
import type { Extender } from './extender.ts';
import { refusedOn } from './fit-error.ts';
import type { CycleState } from './framework.ts';
import type { PodInfo } from './pod-info.ts';
import { guarded, type Profile, type With } from './profile.ts';
import { isSkip, Status, type StatusCode } from './status.ts';
import type { WaitingPods } from './waiting-pods.ts';

export interface BindingContext {
  readonly profile: Profile;
  readonly state: CycleState;
  readonly pod: PodInfo;
  readonly node: string;
  readonly waiting: WaitingPods;
  /** Binds instead of the plugins. */
  readonly extender: Pick<Extender, 'bind'> | undefined;
  readonly clock: Clock;
  /** Told of how a wait for permission ended, and how long it took. */
  readonly onPermitted: (code: StatusCode, tookSeconds: number) => void;
}

/** Undefined when the pod is bound. Never rejects. */
export async function bindPod(c: BindingContext): Promise<Status | undefined> {
  const startMs = c.clock.monotonic();
  const waited = c.waiting.get(c.pod.uid) !== undefined;
  const refused = await c.waiting.verdict(c.pod.uid);
  if (waited) c.onPermitted(refused?.code ?? 'Success', (c.clock.monotonic() - startMs) / 1000);
  if (refused) return refusedOn(c.node, refused);
  const { profile, state, pod, node } = c;
  const preBinders = profile.preBinders(state, pod, node);
  if (preBinders.length > 0) {
    const unprepared = await profile.timedAsync('PreBind', () => prepare(c, preBinders));
    if (unprepared) return refusedOn(node, unprepared);
  }
  const { extender } = c;
  const status = await profile.timedAsync('Bind', () => (extender ? extender.bind(pod, node) : bindByPlugins(c)));
  if (!status)
    for (const post of profile.lineup(state).postBind)
      await guarded('PostBind', post.name, () => void post.postBind(state, pod, node));
  return status;
}

async function prepare(
  { state, pod, node }: BindingContext,
  plugins: readonly With<'preBind'>[],
): Promise<Status | undefined> {
  for (const p of plugins) {
    const status = await guarded('PreBind', p.name, () => p.preBind(state, pod, node));
    if (status && !isSkip(status)) return status;
  }
  return undefined;
}

async function bindByPlugins({ profile, state, pod, node }: BindingContext): Promise<Status | undefined> {
  for (const p of profile.lineup(state).bind) {
    const status = await guarded('Bind', p.name, () => p.bind(state, pod, node));
    if (!isSkip(status)) return status;
  }
  return new Status('Error', ['no bind plugin took the pod']);
}
