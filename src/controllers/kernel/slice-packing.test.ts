import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Endpoint, EndpointSlice } from '../../api/type/discovery-v1.ts';
import { packEndpoints, type SliceDraft } from './slice-packing.ts';

const endpoint = (n: number, ready: boolean): Endpoint => ({ addresses: [`10.0.0.${n}`], conditions: { ready } });
const make = (): SliceDraft => ({ metadata: {} as never, addressType: 'IPv4', endpoints: [], ports: [] });

describe('packEndpoints', () => {
  it('shows what is wanted, each once, in full slices and with few writes', () => {
    const round = fc.array(fc.tuple(fc.nat(40), fc.boolean()), { maxLength: 40 });
    const property = fc.property(fc.integer({ min: 1, max: 7 }), fc.array(round, { maxLength: 12 }), (max, rounds) => {
      let slices: EndpointSlice[] = [];
      let names = 0;
      for (const wanted of rounds) {
        const endpoints = [...new Map(wanted)].map(([n, ready]) => endpoint(n, ready));
        const plan = packEndpoints({
          existing: slices,
          endpoints,
          maxPerSlice: max,
          metadataOf: s => s.metadata,
          make,
        });
        const untouched = slices.filter(s => isAsWanted(s, endpoints));
        for (const s of plan.delete) assert.ok(!untouched.includes(s) || s.endpoints!.length === 0);
        const named = plan.create.map(d => ({ ...d, metadata: { name: `s${names++}` } as never }));
        slices = [...plan.unchanged, ...plan.update, ...named];
        const shown = slices.flatMap(s => s.endpoints ?? []);
        assert.deepEqual(shown.map(text).sort(), endpoints.map(text).sort());
        for (const s of slices) assert.ok((s.endpoints ?? []).length <= max);
        // No more than one slice is touched for additions beyond those that had to change, unless it must be new.
        const mustChange = untouched.length;
        assert.ok(plan.unchanged.length >= mustChange - 1, 'at most one slice that was right is filled');
        if (plan.create.length > 0)
          assert.ok(plan.update.filter(u => u.endpoints.length < max).length <= 1, 'changed slices are filled first');
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});

const text = (e: Endpoint): string => `${e.addresses} ${e.conditions?.ready}`;

const isAsWanted = (slice: EndpointSlice, wanted: readonly Endpoint[]): boolean => {
  const texts = new Set(wanted.map(text));
  return (slice.endpoints ?? []).every(e => texts.has(text(e)));
};
