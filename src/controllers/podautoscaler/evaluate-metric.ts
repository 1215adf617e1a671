// What one metric of an autoscaler says: how many replicas, under which name, with which current value.

import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import { parseQuantity, Quantity } from '../../api/quantity.ts';
import type { MetricSpec, MetricStatus, MetricTarget } from '../../api/type/autoscaling-v2.ts';
import type { LabelSelector } from '../../api/type/meta-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { ApiKinds } from './api-kinds.ts';
import {
  byAverage,
  bySharedValue,
  byUtilization,
  byValue,
  type PodsInput,
  type ReplicaProposal,
} from './kernel/replica-count.ts';
import type { MetricsSource } from './metrics-source.ts';

export interface EvaluationInput extends Omit<PodsInput, 'metrics'> {
  readonly namespace: string;
  /** Of the target's pods, as text. */
  readonly selector: string;
  readonly statusReplicas: number;
  readonly source: MetricsSource;
  readonly kinds: ApiKinds;
}

export interface Evaluation {
  readonly replicas: number;
  readonly name: string;
  readonly status: MetricStatus;
}

/** A metric that says nothing, with the reason of the condition. */
export class MetricFailure extends Error {
  override name = 'MetricFailure';
  readonly reason: string;
  /** How the failure of all metrics begins. */
  readonly outer: string;

  constructor(reason: string, outer: string, message: string) {
    super(message);
    this.reason = reason;
    this.outer = outer;
  }
}

type Attempt = () => Promise<Evaluation>;

/** Rejects with MetricFailure. */
export function evaluateMetric(spec: MetricSpec, input: EvaluationInput): Promise<Evaluation> {
  switch (spec.type) {
    case 'Object':
      return attempt('FailedGetObjectMetric', 'failed to get object metric value', () => ofObject(spec, input));
    case 'Pods':
      return attempt('FailedGetPodsMetric', 'failed to get pods metric value', () => ofPods(spec, input));
    case 'Resource': {
      const { name, target } = spec.resource!;
      return attempt('FailedGetResourceMetric', `failed to get ${name} resource metric value`, async () => {
        const { current, ...rest } = await ofResource(name, target, '', input);
        return { ...rest, status: { type: 'Resource', resource: { name, current } } };
      });
    }
    case 'ContainerResource': {
      const { name, target, container } = spec.containerResource!;
      return attempt('FailedGetContainerResourceMetric', `failed to get ${name} container metric value`, async () => {
        const { current, ...rest } = await ofResource(name, target, container, input);
        return { ...rest, status: { type: 'ContainerResource', containerResource: { name, container, current } } };
      });
    }
    case 'External': {
      const outer = `failed to get ${spec.external!.metric.name} external metric value`;
      return attempt('FailedGetExternalMetric', outer, () => ofExternal(spec, input));
    }
    default: {
      const message = `unknown metric source type ${JSON.stringify(spec.type)}`;
      return Promise.reject(new MetricFailure('InvalidMetricSourceType', '', message));
    }
  }
}

async function attempt(reason: string, outer: string, run: Attempt): Promise<Evaluation> {
  try {
    return await run();
  } catch (error) {
    throw new MetricFailure(reason, outer, messageOf(error));
  }
}

const milliOf = (quantity: string): number => parseQuantity(quantity).milliValue();
const quantityOf = (milli: number): string => Quantity.ofMilli(milli).toString();
const selectorText = (selector: LabelSelector | undefined): string =>
  selector ? selectorFromLabelSelector(selector).toString() : '';

async function wrapped<T>(words: string, run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new Error(`${words}: ${messageOf(error)}`, { cause: error });
  }
}

async function ofResource(name: string, target: MetricTarget, container: string, input: EvaluationInput) {
  const { namespace, selector, source } = input;
  const read = () =>
    wrapped(`unable to get metrics for resource ${name}`, () => source.resource(name, namespace, selector, container));
  if (target.averageValue !== undefined) {
    const targetMilli = milliOf(target.averageValue);
    const proposal = await wrapped(`failed to get ${name} usage`, async () =>
      byAverage({ ...input, metrics: await read(), resource: name, targetMilli }),
    );
    const current = { averageValue: quantityOf(proposal.currentMilli) };
    return { replicas: proposal.replicas, name: `${name} resource`, current };
  }
  const targetPercent = target.averageUtilization;
  if (targetPercent === undefined)
    throw new Error(
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set',
    );
  const proposal = await wrapped(`failed to get ${name} utilization`, async () =>
    byUtilization({ ...input, metrics: await read(), resource: name, container, targetPercent }),
  );
  return {
    replicas: proposal.replicas,
    name: `${name} ${container ? 'container ' : ''}resource utilization (percentage of request)`,
    current: { averageUtilization: proposal.utilization!, averageValue: quantityOf(proposal.currentMilli) },
  };
}

async function ofPods(spec: MetricSpec, input: EvaluationInput): Promise<Evaluation> {
  const { metric, target } = spec.pods!;
  const { namespace, selector, source } = input;
  const metrics = await wrapped(`unable to get metric ${metric.name}`, () =>
    source.pods(metric.name, namespace, selector, selectorText(metric.selector)),
  );
  const targetMilli = milliOf(target.averageValue ?? '0');
  const { replicas, currentMilli } = byAverage({ ...input, metrics, resource: '', targetMilli });
  const current = { averageValue: quantityOf(currentMilli) };
  return { replicas, name: `pods metric ${metric.name}`, status: { type: 'Pods', pods: { metric, current } } };
}

async function ofObject(spec: MetricSpec, input: EvaluationInput): Promise<Evaluation> {
  const { metric, target, describedObject } = spec.object!;
  const { namespace, source, kinds } = input;
  const { kind, name } = describedObject;
  // Kubernetes has the error where the object's name belongs.
  const words = `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/`;
  const read = async () => {
    try {
      const { group, resource } = await kinds.find(describedObject.apiVersion ?? 'v1', kind);
      const object = { resource: group ? `${resource}.${group}` : resource, name, namespace };
      return await source.object(metric.name, object, selectorText(metric.selector));
    } catch (error) {
      throw new Error(words + messageOf(error), { cause: error });
    }
  };
  const said = (proposal: ReplicaProposal, label: string, current: object): Evaluation => ({
    replicas: proposal.replicas,
    name: label,
    status: { type: 'Object', object: { metric, current, describedObject } },
  });
  if (target.value !== undefined) {
    const proposal = byValue(await read(), milliOf(target.value), input);
    return said(proposal, `${kind} metric ${metric.name}`, { value: quantityOf(proposal.currentMilli) });
  }
  if (target.averageValue === undefined)
    throw new Error('invalid object metric source: neither a value target nor an average value target was set');
  const averageMilli = milliOf(target.averageValue);
  const proposal = await wrapped(`failed to get ${metric.name} object metric`, async () =>
    bySharedValue(await read(), averageMilli, input.statusReplicas, input.tolerances),
  );
  const current = { averageValue: quantityOf(proposal.currentMilli) };
  return said(proposal, `external metric ${metric.name}(${selectorInWords(metric.selector)})`, current);
}

async function ofExternal(spec: MetricSpec, input: EvaluationInput): Promise<Evaluation> {
  const { metric, target } = spec.external!;
  const { namespace, source } = input;
  const read = async () => {
    const words = `unable to get external metric ${namespace}/${metric.name}/${selectorInWords(metric.selector)}`;
    const values = await wrapped(words, () => source.external(metric.name, namespace, selectorText(metric.selector)));
    return values.reduce((sum, v) => sum + v, 0);
  };
  const name = `external metric ${metric.name}(${selectorInWords(metric.selector)})`;
  const said = (replicas: number, current: object): Evaluation => ({
    replicas,
    name,
    status: { type: 'External', external: { metric, current } },
  });
  const words = `failed to get ${metric.name} external metric`;
  if (target.averageValue !== undefined) {
    const averageMilli = milliOf(target.averageValue);
    const proposal = await wrapped(words, async () =>
      bySharedValue(await read(), averageMilli, input.statusReplicas, input.tolerances),
    );
    return said(proposal.replicas, { averageValue: quantityOf(proposal.currentMilli) });
  }
  if (target.value === undefined)
    throw new Error('invalid external metric source: neither a value target nor an average value target was set');
  const valueMilli = milliOf(target.value);
  const proposal = await wrapped(words, async () => byValue(await read(), valueMilli, input));
  return said(proposal.replicas, { value: quantityOf(proposal.currentMilli) });
}

/** A selector as Kubernetes' messages show it. */
function selectorInWords(selector: LabelSelector | undefined): string {
  if (!selector) return 'nil';
  const labels = Object.entries(selector.matchLabels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => `${k}: ${v},`);
  const expressions = (selector.matchExpressions ?? []).map(
    e => `LabelSelectorRequirement{Key:${e.key},Operator:${e.operator},Values:[${(e.values ?? []).join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}
