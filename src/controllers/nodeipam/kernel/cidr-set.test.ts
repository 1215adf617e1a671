import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { CidrSet } from './cidr-set.ts';

it('gives out each part once, in turn, and behaves as a plain set of parts', () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant('allocate' as const) }),
    fc.record({ act: fc.constantFrom('occupy' as const, 'release' as const), part: fc.nat(7) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const set = new CidrSet('10.0.0.0/21', 24);
      const used = new Set<string>();
      for (const s of steps) {
        if (s.act === 'allocate') {
          const got = set.allocate();
          assert.equal(got === undefined, used.size === 8);
          if (got) assert.ok(!used.has(got) && used.add(got));
          continue;
        }
        const cidr = `10.0.${s.part}.0/24`;
        set[s.act](cidr);
        if (s.act === 'occupy') used.add(cidr);
        else used.delete(cidr);
        assert.equal(set.free, 8 - used.size);
      }
    }),
  );
});

it('occupies every part that a wider or narrower range touches', () => {
  const set = new CidrSet('10.0.0.0/21', 24);
  set.occupy('10.0.1.128/25');
  assert.equal(set.free, 7);
  set.occupy('10.0.4.0/22');
  assert.equal(set.free, 3);
  set.release('10.0.0.0/8');
  assert.equal(set.free, 8);
  assert.throws(() => set.occupy('10.0.8.0/24'), /cidr 10.0.8.0\/24 is out the range of cluster cidr 10.0.0.0\/21/);
});

it('cuts IPv6', () => {
  const set = new CidrSet('2001:db8::/48', 64);
  set.occupy('2001:db8::/64');
  assert.equal(set.allocate(), '2001:db8:0:1::/64');
  assert.equal(set.free, 65534);
});
