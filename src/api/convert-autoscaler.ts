// HorizontalPodAutoscalers: version 1 knows CPU alone; what else version 2 says travels in annotations.
import { parseExactJson } from '../base/whole-number.ts';
import type { KubeObject } from './meta.ts';

type Plain = Record<string, any>;

const prefix = 'autoscaling.alpha.kubernetes.io/';
const annotations = ['metrics', 'current-metrics', 'conditions', 'behavior'].map(name => prefix + name);

/** `apiVersion` is the other of autoscaling/v1 and autoscaling/v2. */
export function convertAutoscaler(object: KubeObject, apiVersion: string): KubeObject {
  return (apiVersion === 'autoscaling/v1' ? toV1(object as Plain) : toV2(object as Plain)) as KubeObject;
}

const without = (map: Plain, key: string): Plain =>
  Object.fromEntries(Object.entries(map).filter(([k, v]) => k !== key && v !== undefined));

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
  const kept: Plain = { ...metadata.annotations };
  const keep = (name: string, value: unknown) => {
    if (value !== undefined && (!Array.isArray(value) || value.length)) kept[prefix + name] = JSON.stringify(value);
  };
  keep('metrics', others);
  keep('current-metrics', current.map(statusToV1));
  keep('conditions', status.conditions);
  keep('behavior', spec.behavior);
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
  const others = list(read('metrics')).map(specToV2);
  const metrics = [...cpu, ...others];
  const current = list(read('current-metrics')).map(statusToV2);
  const conditions = list(read('conditions'));
  const kept = Object.fromEntries(
    Object.entries(metadata.annotations ?? {}).filter(([key]) => !annotations.includes(key)),
  );
  return {
    ...rest,
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(metadata, kept),
    spec: defined({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: metrics.length ? metrics : undefined,
      behavior: read('behavior'),
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

const list = (value: unknown): Plain[] => (Array.isArray(value) ? value : []);

function parse(text: string | undefined): unknown {
  try {
    return text ? parseExactJson(text) : undefined;
  } catch {
    return undefined;
  }
}

const keyOf = (type: string): string => type.charAt(0).toLowerCase() + type.slice(1);

// What version 2 calls target or current with a type of value, version 1 spells out in field names.
const specToV1 = (m: Plain): Plain => sourceToV1(m, 'target');
const statusToV1 = (m: Plain): Plain => sourceToV1(m, 'current');
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
      [`${side}Value`]: value ?? (m.type === 'Object' ? '0' : undefined),
    }),
  };
}

function sourceToV2(m: Plain, side: 'target' | 'current'): Plain {
  const source = (m[keyOf(m.type)] ?? {}) as Plain;
  const averageUtilization = source[`${side}AverageUtilization`];
  const averageValue = source[m.type === 'Object' ? 'averageValue' : `${side}AverageValue`];
  const plain = m.type === 'Object' && averageValue !== undefined ? undefined : source[`${side}Value`];
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
