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

/** Pods bear a node that is not ready or unreachable for five minutes unless they say otherwise. */
export const defaultTolerationSeconds: AdmissionPlugin = {
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

// Most pods share it: nobody looks into it twice. In canonical form.
const usual = markCanonical<NonNullable<Mutable<Pod>['spec']['tolerations']>>(
  [notReady, unreachable].map(key => ({
    key,
    operator: 'Exists',
    effect: 'NoExecute',
    tolerationSeconds: 300,
  })),
);

const highestUserPriority = 1_000_000_000;

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
      const found = wanted
        ? (classes.latest(wanted)?.object as unknown as PriorityClass | undefined)
        : all()
            .filter(c => c.globalDefault)
            .sort((a, b) => (a.value ?? 0) - (b.value ?? 0))[0];
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
      const made = attributes.object as unknown as PriorityClass;
      if (!made.globalDefault) return;
      const other = all().find(c => c.globalDefault && c.metadata.name !== made.metadata.name);
      if (other && (made.value ?? 0) <= highestUserPriority) {
        throw forbidden(
          attributes.resource,
          attributes.name,
          `PriorityClass ${other.metadata.name} is already marked as default. Only one default can exist`,
        );
      }
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
