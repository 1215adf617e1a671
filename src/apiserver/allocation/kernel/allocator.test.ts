import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../../base/random.ts';
import { formatIp, IpAllocator, staticAddresses } from './ip-allocator.ts';
import { PortAllocator, staticPorts } from './port-allocator.ts';

// The same behaviour with a Set; which free port comes next is the clever one's choice, within the rules.
class NaivePorts {
  readonly taken = new Set<number>();
  readonly first: number;
  readonly last: number;
  constructor(first: number, last: number) {
    this.first = first;
    this.last = last;
  }
  allocate(port: number): string {
    if (port < this.first || port > this.last) return 'outOfRange';
    if (this.taken.has(port)) return 'taken';
    this.taken.add(port);
    return 'done';
  }
  mayBeNext(port: number | undefined): boolean {
    const from = this.first + staticPorts(this.last - this.first + 1);
    const dynamic = [];
    const all = [];
    for (let p = this.first; p <= this.last; p++) {
      if (this.taken.has(p)) continue;
      all.push(p);
      if (p >= from) dynamic.push(p);
    }
    const choice = dynamic.length ? dynamic : all;
    return port === undefined ? choice.length === 0 : choice.includes(port);
  }
}

test('a port allocator does what a set would', () => {
  const first = 30000;
  const operation = fc.oneof(
    fc.record({ kind: fc.constant('allocate'), port: fc.integer({ min: first - 2, max: first + 82 }) }),
    fc.record({ kind: fc.constant('next'), port: fc.constant(0) }),
    fc.record({ kind: fc.constant('release'), port: fc.integer({ min: first - 2, max: first + 82 }) }),
  );
  const sizes = fc.integer({ min: 1, max: 80 });
  fc.assert(
    fc.property(sizes, fc.array(operation, { maxLength: 300 }), fc.integer(), (size, operations, seed) => {
      const random = seededRandom(seed);
      const ports = new PortAllocator(first, first + size - 1);
      const naive = new NaivePorts(first, first + size - 1);
      for (const { kind, port } of operations) {
        if (kind === 'allocate') assert.equal(ports.allocate(port), naive.allocate(port));
        else if (kind === 'release') {
          ports.release(port);
          naive.taken.delete(port);
        } else {
          const next = ports.allocateNext(random);
          assert.ok(naive.mayBeNext(next), `${next}`);
          if (next !== undefined) naive.taken.add(next);
        }
        assert.equal(ports.free, size - naive.taken.size);
        assert.equal(ports.has(port), naive.taken.has(port));
      }
    }),
    { numRuns: 200 },
  );
});

test('bands', () => {
  assert.deepEqual([2768, 16, 17, 10_000].map(staticPorts), [86, 0, 16, 128]);
  assert.deepEqual([2 ** 20, 16, 32, 1024].map(staticAddresses), [256, 0, 16, 64]);
});

test('addresses come from the upper band until it is full', () => {
  const ips = new IpAllocator('10.0.0.0/27');
  assert.equal(ips.free, 30);
  const random = seededRandom(1);
  const drawn = Array.from({ length: 30 }, () => ips.allocateNext(random)!);
  const last = (ip: string) => Number(ip.split('.')[3]);
  assert.ok(drawn.slice(0, 14).every(ip => last(ip) >= 17 && last(ip) <= 30));
  assert.ok(drawn.slice(14).every(ip => last(ip) >= 1 && last(ip) <= 16));
  assert.equal(ips.allocateNext(random), undefined);
  ips.release('10.0.0.9');
  assert.equal(ips.allocateNext(random), '10.0.0.9');
});

test('neither the network, the broadcast address nor another network can be had', () => {
  const ips = new IpAllocator('10.0.0.0/24');
  for (const ip of ['10.0.0.0', '10.0.0.255', '10.0.1.1', 'fd00::1', 'None'])
    assert.equal(ips.allocate(ip), 'outOfRange');
  assert.equal(ips.allocate('10.0.0.254'), 'done');
  assert.equal(ips.allocate('10.0.0.254'), 'taken');
  const six = new IpAllocator('fd00::/112');
  assert.equal(six.free, 65535);
  assert.equal(six.allocate('fd00:0::ffff'), 'done');
  assert.equal(six.has('fd00::ffff'), true);
});

test('of a range beyond its bits single addresses can be had', () => {
  const ips = new IpAllocator('fd00::/64');
  assert.equal(ips.free, 2 ** 63);
  for (const ip of ['fd00::1', 'fd00::100:0', 'fd00::ffff:ffff:ffff:ffff']) {
    assert.equal(ips.allocate(ip), 'done');
    assert.equal(ips.allocate(ip), 'taken');
  }
  assert.equal(ips.used, 3);
  ips.release('fd00::100:0');
  assert.deepEqual([ips.has('fd00::100:0'), ips.used], [false, 2]);
  assert.equal(ips.allocate('fd00:0:0:1::'), 'outOfRange');
});

test('IPv6 text', () => {
  assert.equal(formatIp(1n, 16), '::1');
  assert.equal(formatIp(0n, 16), '::');
  assert.equal(formatIp(0xfd00n << 112n, 16), 'fd00::');
  assert.equal(formatIp((1n << 112n) | (1n << 48n) | 5n, 16), '1::1:0:0:5');
});
