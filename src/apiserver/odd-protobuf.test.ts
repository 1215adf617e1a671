// Bodies in protobuf that are none: recorded from k8s.io/apiextensions-apiserver 0.36.2.
import assert from 'node:assert/strict';
import { request } from 'node:https';
import { test } from 'node:test';
import { protobufEnvelope } from '../api/protobuf.ts';
import { fileServer } from './test-file-server.ts';

const on = fileServer();
const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function post(body: Buffer): Promise<{ code: number; message: string }> {
  const { ca, admin, url } = on.server;
  const headers = { 'content-type': 'application/vnd.kubernetes.protobuf', 'content-length': body.length };
  const options = { method: 'POST', ca, cert: admin.certificatePem, key: admin.keyPem, headers };
  return new Promise((resolve, reject) => {
    const sent = request(`${url}${path}`, options, async answer => {
      let text = '';
      for await (const chunk of answer.setEncoding('utf8')) text += chunk;
      resolve(JSON.parse(text));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const [apiVersion, kind] = ['apiextensions.k8s.io/v1', 'CustomResourceDefinition'];
function message(raw: string, typeMeta = { apiVersion, kind }): Buffer {
  const { head, tail } = protobufEnvelope(typeMeta, raw.length / 2);
  return Buffer.concat([head, Buffer.from(raw, 'hex'), tail]);
}
const whole = message('0a030a0161');
const shown = '(6b3873000a330a17617069657874656e73696f6e732e6b38732e696f2f76 ...)';
const unrecognized = (why: string) => `the object provided is unrecognized (must be of type ${kind}): ${why}`;
const unfit = (what: string, why: string) => `${what} in version "v1" cannot be handled as a ${kind}: ${why}`;

const cases: Readonly<Record<string, readonly [body: Buffer, message: string]>> = {
  nothing: [Buffer.alloc(0), unrecognized('empty data (<empty>)')],
  'a prefix': [Buffer.from('k8s\0'), unrecognized('empty body (6b387300)')],
  'an envelope that ends early': [whole.subarray(0, -3), unrecognized(`unexpected EOF ${shown}`)],
  'an envelope with more behind it': [
    Buffer.concat([whole, Buffer.alloc(1)]),
    unrecognized(`proto: Unknown: illegal tag 0 (wire type 0) ${shown}`),
  ],
  'an object that ends early': [message('0a05'), unfit(kind, 'unexpected EOF')],
  'an object of other forms': [message('0801'), unfit(kind, 'proto: wrong wireType = 0 for field ObjectMeta')],
  'a kind nobody knows': [
    message('', { apiVersion, kind: 'Foo' }),
    unfit('Foo', `no kind "Foo" is registered for version "${apiVersion}" in scheme "pkg/runtime/scheme.go:111"`),
  ],
};
for (const [what, [body, expected]] of Object.entries(cases))
  test(`${what} is no definition`, async () => {
    const { code, message } = await post(body);
    assert.deepEqual([code, message], [400, expected]);
  });

test('who does not say what it is means what the path says', async () => {
  const { code, message: told } = await post(Buffer.from('6b38730012050a030a0161', 'hex'));
  assert.equal(code, 422);
  assert.match(told, /^CustomResourceDefinition.apiextensions.k8s.io "a" is invalid/);
});
