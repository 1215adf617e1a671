// HorizontalPodAutoscalers: version 1 knows CPU alone; what else version 2 says travels in annotations.
import { parseExactJson } from '../base/whole-number.ts';
import type { KubeObject } from './meta.ts';
import { normalize } from './normalize.ts';
import { isPlain } from './patch/plain.ts';

type Plain = Record<string, any>;

const prefix = 'autoscaling.alpha.kubernetes.io/';
const annotations = ['metrics', 'current-metrics', 'conditions', 'behavior'].map(name => prefix + name);

/** `apiVersion` is the other of autoscaling/v1 and autoscaling/v2. */
export function convertAutoscaler(object: KubeObject, apiVersion: string): KubeObject {
  return (apiVersion === 'autoscaling/v1' ? toV1(object as Plain) : toV2(object as Plain)) as KubeObject;
}

const without = (map: Plain, key: string): Plain =>
  Object.fromEntries(Object.entries(map).filter(([k, v]) => k !== key && v !== undefined));

/** The metadata without what only a conversion writes: in version 2 there is none of it. */
export function withoutConverted<T extends { readonly annotations?: unknown }>(metadata: T): T {
  const given = metadata.annotations as Plain | undefined;
  if (!given || !annotations.some(key => Object.hasOwn(given, key))) return metadata;
  return withAnnotations(metadata, ownOf(given)) as T;
}

const ownOf = (given: Plain = {}): Plain =>
  Object.fromEntries(Object.entries(given).filter(([key]) => !annotations.includes(key)));

function defined(object: Plain): Plain {
  return Object.fromEntries(Object.entries(object).filter(([, v]) => v !== undefined));
}

const isCpu = (m: Plain): boolean => m.type === 'Resource' && m.resource?.name === 'cpu';
const isCpuTarget = (m: Plain): boolean => isCpu(m) && m.resource.target?.averageUtilization !== undefined;

function toV1({ metadata, spec = {}, status = {}, ...rest }: Plain): Plain {
  const metrics = (spec.metrics ?? []) as Plain[];
  const cpu = metrics.find(isCpuTarget);
  const others = metrics.filter(m => m !== cpu).map(specToV1);
  const current = (status.currentMetrics ?? []) as Plain[];
  const currentCpu = current.find(m => isCpu(m) && m.resource.current?.averageUtilization !== undefined);
  const kept = ownOf(metadata.annotations);
  const keep = (name: string, value: unknown) => {
    if (value !== undefined && (!Array.isArray(value) || value.length)) kept[prefix + name] = JSON.stringify(value);
  };
  keep('metrics', others);
  keep('current-metrics', current.map(statusToV1));
  keep('conditions', status.conditions);
  keep('behavior', behaviorToV1(spec.behavior));
  return {
    ...rest,
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(metadata, kept),
    spec: defined({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: cpu?.resource.target.averageUtilization,
    }),
    status: defined({
      observedGeneration: status.observedGeneration,
      lastScaleTime: status.lastScaleTime,
      currentReplicas: status.currentReplicas ?? 0,
      desiredReplicas: status.desiredReplicas ?? 0,
      currentCPUUtilizationPercentage: currentCpu?.resource.current.averageUtilization,
    }),
  };
}

function toV2({ metadata, spec = {}, status = {}, ...rest }: Plain): Plain {
  const read = (name: string): any => parse(metadata.annotations?.[prefix + name]);
  const percent = spec.targetCPUUtilizationPercentage;
  const cpu =
    percent === undefined
      ? []
      : [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }];
  const metrics = [...list(read('metrics')).map(specToV2), ...cpu];
  const used = status.currentCPUUtilizationPercentage;
  const told = list(read('current-metrics')).map(statusToV2);
  const current =
    told.length || used === undefined
      ? told
      : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: used } } }];
  const conditions = list(read('conditions'));
  const behavior = read('behavior');
  return {
    ...rest,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(metadata, ownOf(metadata.annotations)),
    spec: defined({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: metrics.length ? metrics : undefined,
      behavior: isPlain(behavior) ? behaviorToV2(behavior) : undefined,
    }),
    status: defined({
      observedGeneration: status.observedGeneration,
      lastScaleTime: status.lastScaleTime,
      currentReplicas: status.currentReplicas,
      desiredReplicas: status.desiredReplicas ?? 0,
      currentMetrics: current.length ? current : status.currentMetrics,
      conditions: conditions.length ? conditions : undefined,
    }),
  };
}

function withAnnotations(metadata: Plain, kept: Plain): Plain {
  return Object.keys(kept).length ? { ...metadata, annotations: kept } : without(metadata, 'annotations');
}

const list = (value: unknown): Plain[] =>
  Array.isArray(value) ? value.filter(item => isPlain(item) && typeof item.type === 'string') : [];

function parse(text: string | undefined): unknown {
  try {
    return text ? parseExactJson(text) : undefined;
  } catch {
    return undefined;
  }
}

const keyOf = (type: string): string => type.charAt(0).toLowerCase() + type.slice(1);

// What version 2 calls target or current with a type of value, version 1 spells out in field names.
const specToV1 = (m: Plain): Plain => normalize('io.k8s.api.autoscaling.v1.MetricSpec', sourceToV1(m, 'target'));
const statusToV1 = (m: Plain): Plain => normalize('io.k8s.api.autoscaling.v1.MetricStatus', sourceToV1(m, 'current'));
const specToV2 = (m: Plain): Plain => sourceToV2(m, 'target');
const statusToV2 = (m: Plain): Plain => sourceToV2(m, 'current');

function sourceToV1(m: Plain, side: 'target' | 'current'): Plain {
  const source = (m[keyOf(m.type)] ?? {}) as Plain;
  const { averageUtilization, averageValue, value } = (source[side] ?? {}) as Plain;
  const selector = m.type === 'External' ? 'metricSelector' : 'selector';
  const named = source.metric ? { metricName: source.metric.name, [selector]: source.metric.selector } : {};
  const { name, container, describedObject } = source;
  const averageName = m.type === 'Object' ? 'averageValue' : `${side}AverageValue`;
  return {
    type: m.type,
    [keyOf(m.type)]: defined({
      ...named,
      name,
      container,
      target: describedObject,
      [`${side}AverageUtilization`]: averageUtilization,
      [averageName]: averageValue,
      [`${side}Value`]: value,
    }),
  };
}

function sourceToV2(m: Plain, side: 'target' | 'current'): Plain {
  const source = (m[keyOf(m.type)] ?? {}) as Plain;
  const averageUtilization = source[`${side}AverageUtilization`];
  const averageValue = source[m.type === 'Object' ? 'averageValue' : `${side}AverageValue`];
  const value = source[`${side}Value`];
  // Version 1 always writes it.
  const mustBe = m.type === 'Object' || (m.type === 'External' && side === 'current' && value === '0');
  const plain = mustBe && averageValue !== undefined ? undefined : value;
  const type = averageUtilization !== undefined ? 'Utilization' : averageValue !== undefined ? 'AverageValue' : 'Value';
  const metric = source.metricName
    ? defined({ name: source.metricName, selector: source.metricSelector ?? source.selector })
    : undefined;
  return {
    type: m.type,
    [keyOf(m.type)]: defined({
      metric,
      name: source.name,
      container: source.container,
      describedObject: source.target,
      [side]: defined({ ...(side === 'target' ? { type } : {}), value: plain, averageValue, averageUtilization }),
    }),
  };
}

const ruleFields = ['stabilizationWindowSeconds', 'selectPolicy', 'policies', 'tolerance'];
const policyFields = ['type', 'value', 'periodSeconds'];

// The annotation is what Go makes of the fields within: their own names, and null for what is not there.
const goName = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);
const toGo = (fields: readonly string[], value: Plain, change: (name: string, v: unknown) => unknown): Plain =>
  Object.fromEntries(fields.map(name => [goName(name), change(name, value[name] ?? null)]));

function behaviorToV1(behavior: Plain | undefined): Plain | undefined {
  if (!behavior) return undefined;
  const policy = (p: Plain) => toGo(policyFields, p, (_, v) => v);
  const rules = (r: unknown) =>
    r && toGo(ruleFields, r as Plain, (name, v) => (name === 'policies' && v ? (v as Plain[]).map(policy) : v));
  return toGo(['scaleUp', 'scaleDown'], behavior, (_, v) => rules(v));
}

const behaviorNames = new Map(['scaleUp', 'scaleDown', ...ruleFields, ...policyFields].map(n => [n.toLowerCase(), n]));

/** Read as Go reads names: in whatever case. */
function behaviorToV2(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(behaviorToV2);
  if (!isPlain(value)) return value ?? undefined;
  const out: Plain = {};
  for (const [name, v] of Object.entries(value))
    if (v !== null) out[behaviorNames.get(name.toLowerCase()) ?? name] = behaviorToV2(v);
  return out;
}
