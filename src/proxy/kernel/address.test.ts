import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canonicalAddress, canonicalCidr, isInRange } from './address.ts';
import { servicePortsOf } from './service-port.ts';
import { testService } from './test-objects.ts';

test('an address has one spelling', () => {
  assert.equal(canonicalAddress('FD00:0:0::0001'), 'fd00::1');
  assert.equal(canonicalAddress('10.0.0.1'), '10.0.0.1');
  assert.equal(canonicalAddress('010.0.0.01'), '10.0.0.1');
  for (const none of ['', '10.0.0', '10.0.0.256', 'fd00:::1', 'a; drop'])
    assert.equal(canonicalAddress(none), undefined);
});

test('a range has no bits beyond its prefix', () => {
  assert.equal(canonicalCidr(' 10.1.2.3/8'), '10.0.0.0/8');
  assert.equal(canonicalCidr('fd00::1/64'), 'fd00::/64');
  for (const none of ['10.0.0.0', '10.0.0.0/33', 'x/8', '10.0.0.0/']) assert.equal(canonicalCidr(none), undefined);
  assert.ok(isInRange('10.9.9.9', '10.0.0.0/8') && !isInRange('11.0.0.1', '10.0.0.0/8'));
  assert.ok(isInRange('fd00::9', 'fd00::/64') && !isInRange('10.0.0.1', '::/0') && !isInRange('fd00::9', '0.0.0.0/0'));
});

test('what two spellings name is there once, what is no address not at all', () => {
  const [info] = servicePortsOf(
    testService('web', {
      type: 'LoadBalancer',
      clusterIP: 'fd00::1',
      clusterIPs: ['fd00::1'],
      externalIPs: ['fd00:0::9', 'fd00::09', 'fd00::zz', '10.0.0.1'],
      loadBalancerSourceRanges: [' fd00::5/64 ', '10.0.0.0/8', 'fd00::/999'],
    }),
    6,
  );
  assert.deepEqual(info!.externalIps, ['fd00::9']);
  assert.deepEqual(info!.sourceRanges, ['fd00::/64']);
});
