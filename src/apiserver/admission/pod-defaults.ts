// Small plugins that complete pods and nodes: DefaultTolerationSeconds, Priority, TaintNodesByCondition.
import { markCanonical } from '../../api/canonical-part.ts';
import type { Mutable } from '../../api/meta.ts';
import { forbidden } from '../../api/status.ts';
import type { Node, Pod, Toleration } from '../../api/type/core-v1.ts';
import type { PriorityClass } from '../../api/type/scheduling-v1.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission.ts';

const isPod = ({ resource, subresource }: AdmissionAttributes) =>
  resource.resource === 'pods' && resource.group === '' && subresource === '';

const notReady = 'node.kubernetes.io/not-ready';
const unreachable = 'node.kubernetes.io/unreachable';

function tolerates(tolerations: readonly Toleration[], key: string): boolean {
  return tolerations.some(t => (t.key === key || !t.key) && (t.effect === 'NoExecute' || !t.effect));
}

export interface TolerationSeconds {
  readonly notReady?: number | undefined;
  readonly unreachable?: number | undefined;
}

const usualSeconds = 300;

/** Pods bear a node that is not ready or unreachable for a while, usually five minutes, unless they say otherwise. */
export function defaultTolerationSeconds(seconds: TolerationSeconds = {}): AdmissionPlugin {
  // Most pods share it: nobody looks into it twice. In canonical form.
  const usual = markCanonical<NonNullable<Mutable<Pod>['spec']['tolerations']>>([
    { key: notReady, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds.notReady ?? usualSeconds },
    {
      key: unreachable,
      operator: 'Exists',
      effect: 'NoExecute',
      tolerationSeconds: seconds.unreachable ?? usualSeconds,
    },
  ]);
  return {
    name: 'DefaultTolerationSeconds',
    handles: a => isPod(a) && (a.operation === 'CREATE' || a.operation === 'UPDATE'),
    mutate({ object }) {
      const { spec } = object as unknown as Mutable<Pod>;
      const { tolerations } = spec;
      if (!tolerations?.length) {
        spec.tolerations = usual;
        return;
      }
      const added = usual.filter(({ key = '' }) => !tolerates(tolerations, key));
      if (added.length) spec.tolerations = [...tolerations, ...added];
    },
  };
}

/** Resolves priorityClassName to the number the scheduler compares; keeps one default class. */
export function priority(classes: WatchCache): AdmissionPlugin {
  const all = () => {
    const out: PriorityClass[] = [];
    classes.snapshot().scan('', undefined, s => {
      out.push(s.object as unknown as PriorityClass);
      return undefined;
    });
    return out;
  };
  // Two that came at once: the lower one counts.
  const defaultClass = () =>
    all()
      .filter(c => c.globalDefault)
      .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
  const isClass = ({ resource, subresource }: AdmissionAttributes) =>
    resource.group === 'scheduling.k8s.io' && resource.resource === 'priorityclasses' && subresource === '';
  return {
    name: 'Priority',
    handles: a => (isPod(a) || isClass(a)) && (a.operation === 'CREATE' || a.operation === 'UPDATE'),
    mutate(attributes) {
      const { object, old, operation, resource, name } = attributes;
      if (!isPod(attributes)) return;
      const pod = object as unknown as Mutable<Pod>;
      if (operation === 'UPDATE') {
        const before = (old as unknown as Pod).spec;
        if (pod.spec.priority === undefined && before.priority !== undefined) pod.spec.priority = before.priority;
        if (!pod.spec.preemptionPolicy && before.preemptionPolicy) pod.spec.preemptionPolicy = before.preemptionPolicy;
        return;
      }
      const wanted = pod.spec.priorityClassName;
      const found = wanted ? (classes.latest(wanted)?.object as unknown as PriorityClass | undefined) : defaultClass();
      if (wanted && !found) throw forbidden(resource, name, `no PriorityClass with name ${wanted} was found`);
      const value = found?.value ?? 0;
      const preemption = found?.preemptionPolicy ?? 'PreemptLowerPriority';
      if (pod.spec.priority !== undefined && pod.spec.priority !== value) {
        throw forbidden(
          resource,
          name,
          `the integer value of priority (${pod.spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
        );
      }
      if (pod.spec.preemptionPolicy && pod.spec.preemptionPolicy !== preemption) {
        throw forbidden(
          resource,
          name,
          `the string value of PreemptionPolicy (${pod.spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${preemption} from the given PriorityClass name`,
        );
      }
      pod.spec.priority = value;
      pod.spec.preemptionPolicy = preemption;
      if (!wanted && found) pod.spec.priorityClassName = found.metadata.name;
    },
    validate(attributes) {
      if (!isClass(attributes)) return;
      const { resource, name, operation, object } = attributes;
      if (!(object as unknown as PriorityClass).globalDefault) return;
      const other = defaultClass()?.metadata.name;
      if (other === undefined || (operation === 'UPDATE' && other === name)) return;
      throw forbidden(
        resource,
        name,
        `PriorityClass ${other} is already marked as default. Only one default can exist`,
      );
    },
  };
}

/** New nodes begin as not ready, so that nothing lands on them before they said they are. */
export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  handles: ({ resource, subresource, operation }) =>
    operation === 'CREATE' && resource.resource === 'nodes' && resource.group === '' && subresource === '',
  mutate({ object }) {
    const node = object as unknown as Mutable<Node>;
    const taints = node.spec.taints ?? [];
    if (!taints.some(t => t.key === notReady && t.effect === 'NoSchedule'))
      node.spec.taints = [...taints, { key: notReady, effect: 'NoSchedule' }];
  },
};
