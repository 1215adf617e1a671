// TracingConfiguration: where traces go, and how many.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import type { TracingOptions } from '../apiserver/observe/tracer.ts';
import { messageOf } from '../base/assert.ts';

// As the exporters of OpenTelemetry.
const defaultEndpoint = 'localhost:4317';
const versions = ['v1', 'v1beta1', 'v1alpha1'].map(v => `apiserver.config.k8s.io/${v}`);

/** Throws an error that names the file. */
export function readTracingFile(file: string): TracingOptions {
  try {
    return read(parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new Error(`reading ${file}: ${messageOf(error)}`, { cause: error });
  }
}

function read(document: unknown): TracingOptions {
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new Error('not a TracingConfiguration');
  const { apiVersion, kind, endpoint, samplingRatePerMillion: rate, ...others } = document as Record<string, unknown>;
  if (kind !== 'TracingConfiguration' || !versions.includes(String(apiVersion)))
    throw new Error(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  const unknown = Object.keys(others).map(name => `unknown field ${JSON.stringify(name)}`);
  if (unknown.length) throw new Error(`strict decoding error: ${unknown.join(', ')}`);
  return { endpoint: checkEndpoint(endpoint ?? undefined), samplingRatePerMillion: checkRate(rate ?? 0) };
}

/** The same within a KubeletConfiguration. */
export function tracingSettings(value: unknown, name: string): TracingOptions {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name}: must be a map`);
  const { endpoint, samplingRatePerMillion: rate, ...others } = value as Record<string, unknown>;
  const unknown = Object.keys(others).map(field => `unknown field ${JSON.stringify(`${name}.${field}`)}`);
  if (unknown.length) throw new Error(`strict decoding error: ${unknown.join(', ')}`);
  return { endpoint: checkEndpoint(endpoint ?? undefined), samplingRatePerMillion: checkRate(rate ?? 0) };
}

function checkRate(rate: unknown): number {
  if (typeof rate !== 'number' || !Number.isInteger(rate))
    throw new Error(`samplingRatePerMillion: Invalid value: ${JSON.stringify(rate)}: must be an integer`);
  if (rate < 0) throw new Error(`samplingRatePerMillion: Invalid value: ${rate}: sampling rate must be positive`);
  if (rate > 1_000_000)
    throw new Error(
      `samplingRatePerMillion: Invalid value: ${rate}: sampling rate per million must be less than or equal to 1 million`,
    );
  return rate;
}

function checkEndpoint(endpoint: unknown): string {
  if (endpoint === undefined) return defaultEndpoint;
  const text = typeof endpoint === 'string' ? endpoint.replace(/^(https?|dns):\/\//, '') : '';
  if (!/^[^\s/:]+:\d+$|^\[[0-9a-f:.]+\]:\d+$/i.test(text))
    throw new Error(`endpoint: Invalid value: ${JSON.stringify(endpoint)}: must be host:port`);
  return String(endpoint);
}
