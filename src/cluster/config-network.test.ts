import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultConfig, parseConfig } from './config.ts';
import { badNetworks } from './config-network.ts';

const parse = (network: string) =>
  parseConfig(`apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec: {network: {${network}}}\n`, 'c.yaml');

test('ranges are IPv4, canonical, and of addresses that can be reached', () => {
  assert.deepEqual(parse('podCIDR: 10.20.0.0/16, serviceCIDR: 10.30.0.0/24'), {
    podCidr: '10.20.0.0/16',
    serviceCidr: '10.30.0.0/24',
  });
  const cases: [string, RegExp][] = [
    [
      'podCIDR: 10.0.0.0/23',
      /podCIDR: Invalid value: "10\.0\.0\.0\/23": must be an IPv4 CIDR of prefix length 8 to 22/,
    ],
    ['serviceCIDR: "fd00::/64"', /serviceCIDR: .*must be an IPv4 CIDR of prefix length 8 to 24/],
    ['podCIDR: 10.300.0.0/16', /podCIDR: Invalid value: "10\.300\.0\.0\/16": must be a valid CIDR value/],
    ['podCIDR: 010.1.0.0/16', /podCIDR: .*: must not have leading 0s in IP or prefix length$/],
    ['serviceCIDR: 10.96.5.0/12', /serviceCIDR: .*: must not have bits set beyond the prefix length$/],
    ['serviceCIDR: 127.0.0.0/8', /serviceCIDR: .*: must not overlap with 127\.0\.0\.0\/8$/],
    ['podCIDR: 240.0.0.0/8', /podCIDR: .*: must not overlap with 224\.0\.0\.0\/3$/],
  ];
  for (const [network, said] of cases)
    assert.throws(() => parse(network), { name: 'ConfigError', message: said }, network);
});

test('ranges that do not go together, or have no room', () => {
  const bad = (given: object) => badNetworks({ ...defaultConfig, ...given });
  assert.equal(bad({}), undefined);
  assert.equal(bad({ nodes: 200 }), undefined);
  assert.equal(bad({ podCidr: '10.96.0.0/16' }), 'podCIDR 10.96.0.0/16 overlaps with serviceCIDR 10.96.0.0/12');
  const nodes = { podCidr: '10.8.0.0/16' };
  assert.equal(bad(nodes), 'podCIDR 10.8.0.0/16 overlaps with 10.8.0.0/16, where the nodes are');
  assert.equal(bad({ serviceCidr: '10.8.9.0/24' })?.slice(0, 25), 'serviceCIDR 10.8.9.0/24 o');
  assert.equal(bad({ ...nodes, simulate: true }), undefined);
  const few = { podCidr: '10.1.0.0/22', nodes: 5 };
  assert.equal(bad(few), 'podCIDR 10.1.0.0/22 has room for 4 nodes, not for 5: each takes a /24');
  assert.equal(bad({ ...few, nodes: 4 }), undefined);
});
