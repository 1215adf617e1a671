import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Node, Pod, Service } from '../../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../../api/type/discovery-v1.ts';
import { isReady } from './hint.ts';
import { planSlices } from './plan-slices.ts';
import { zoneShares } from './zone-share.ts';

const zones = ['z0', 'z1', 'z2'];
const makeNode = (zone: number, cpu: number): Node =>
  ({
    metadata: { name: `n${zone}`, labels: { 'topology.kubernetes.io/zone': zones[zone] } },
    status: { allocatable: { cpu: String(cpu) }, conditions: [{ type: 'Ready', status: 'True' }] },
  }) as unknown as Node;
const makePod = (i: number, zone: number, ready: boolean): Pod =>
  ({
    metadata: { name: `p${i}`, namespace: 'a', uid: `u${i}` },
    spec: { nodeName: `n${zone}`, containers: [] },
    status: { podIP: `10.0.0.${i}`, conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }) as unknown as Pod;
const service = {
  metadata: {
    name: 's',
    namespace: 'a',
    uid: 'u',
    annotations: { 'service.kubernetes.io/topology-mode': 'Auto' },
  },
  spec: { clusterIP: '10.0.0.1', selector: { a: 'b' }, ports: [{ port: 80 }] },
} as unknown as Service;

describe('planSlices with topology hints', () => {
  it('hints all ready endpoints or none, to zones there are, and then rests', () => {
    const pods = fc.array(fc.tuple(fc.nat(40), fc.nat(2), fc.boolean()), { maxLength: 40 });
    const cpus = fc.tuple(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
    );
    const property = fc.property(cpus, fc.array(pods, { minLength: 1, maxLength: 5 }), (cpu, rounds) => {
      const nodes = cpu.map((c, zone) => makeNode(zone, c));
      let slices: EndpointSlice[] = [];
      let names = 0;
      for (const round of rounds) {
        const wanted = [...new Map(round.map(([i, zone, ready]) => [i, makePod(i, zone, ready)])).values()];
        const plan = () =>
          planSlices({
            service,
            pods: wanted,
            slices,
            nodeOf: name => nodes.find(n => n.metadata.name === name),
            zones: () => zoneShares(nodes),
            maxPerSlice: 5,
          });
        const first = plan();
        const created = first.plan.create.map(d => ({ ...d, metadata: { ...d.metadata, name: `s${names++}` } }));
        slices = [...first.plan.unchanged, ...first.plan.update, ...created];
        const endpoints = slices.flatMap(s => s.endpoints ?? []);
        assert.deepEqual(
          endpoints.map(e => e.targetRef!.name).sort(),
          wanted.map(p => p.metadata.name).sort(),
          'every pod exactly once',
        );
        const failed = first.events.some(e => e.reason === 'TopologyAwareHintsDisabled');
        for (const e of endpoints) {
          assert.equal(e.hints !== undefined, !failed && isReady(e));
          if (e.hints) assert.ok(zones.includes(e.hints.forZones![0]!.name));
        }
        const again = plan().plan;
        assert.deepEqual([again.create.length, again.update.length, again.delete.length], [0, 0, 0], 'rests');
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});
