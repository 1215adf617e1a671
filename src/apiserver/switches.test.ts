// --feature-gates and --runtime-config beside the answers of Kubernetes' own modules (testdata/switches.json).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { allFeatureGates, featureGates, parseFeatureGates } from '../api/feature-gates.ts';
import { builtinResources, type Resource } from '../api/resource.ts';
import { parseRuntimeConfig, servedResources } from './runtime-config.ts';

interface Case {
  readonly gates?: readonly string[];
  readonly config?: readonly string[];
  readonly changed: readonly string[];
  readonly error: string;
}

const cases: readonly Case[] = JSON.parse(readFileSync(new URL('testdata/switches.json', import.meta.url), 'utf8'));
const { resources } = builtinResources();
const on = () => true;
const ofStages = new Set(['AllAlpha', 'AllBeta']);

function gatesChanged(flags: readonly string[]): string[] {
  const [usual, now] = [featureGates(), featureGates(parseFeatureGates(flags))];
  const names = allFeatureGates().map(g => g.name);
  return names.filter(n => !ofStages.has(n) && usual(n) !== now(n));
}

function kindsChanged(flags: readonly string[]): string[] {
  const config = parseRuntimeConfig(flags, resources);
  const [usual, now] = [{}, config].map(c => new Set(servedResources(resources, c, on)));
  // Extensions have servers of their own there, which were not asked.
  const others = resources.filter(r => !['apiextensions.k8s.io', 'apiregistration.k8s.io'].includes(r.group));
  return others.filter(r => usual!.has(r) !== now!.has(r)).map(idOf);
}

const idOf = ({ group, version, resource }: Resource) => `${group}/${version}/${resource}`;

test('flags are read, refused and laid over the defaults as by kube-apiserver', () => {
  assert.equal(cases.length, 67);
  for (const { gates, config, changed, error } of cases) {
    const flags = JSON.stringify(gates ?? config);
    const ask = () => (gates ? gatesChanged(gates) : kindsChanged(config!)).sort();
    if (error) assert.throws(ask, { message: error }, flags);
    else assert.deepEqual(ask(), changed, flags);
  }
});
