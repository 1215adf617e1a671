import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pemBlocks, pemText } from '../../base/pem.ts';
import { trustAnchors } from './trust-anchor.ts';

test('the same certificates give the same text, in whatever order and however often they come', () => {
  const certificate = fc.uint8Array({ minLength: 1, maxLength: 60 });
  const certificates = fc.array(certificate, { maxLength: 6 });
  fc.assert(
    fc.property(certificates, fc.infiniteStream(fc.nat(5)), (all, picks) => {
      const pem = (list: readonly Uint8Array[]) =>
        list.map(c => `# ${list.length}\n${pemText('CERTIFICATE', c)}`).join('');
      const shuffled = [...all, ...all]
        .map(c => ({ c, at: picks.next().value! }))
        .sort((a, b) => a.at - b.at)
        .map(x => x.c);
      const text = trustAnchors([pem(all)]);
      assert.equal(trustAnchors([pem(shuffled.slice(0, 3)), pem(shuffled.slice(3))]), text);
      assert.equal(trustAnchors([text]), text);
      const found = pemBlocks(text).map(b => b.der.toHex());
      assert.deepEqual(found.toSorted(), [...new Set(all.map(c => c.toHex()))].sort());
    }),
  );
  assert.equal(trustAnchors([pemText('PRIVATE KEY', Uint8Array.of(1))]), '');
});
