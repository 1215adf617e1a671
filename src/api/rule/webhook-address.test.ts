import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FieldErrors, path } from '../field-error.ts';
import { validateWebhookAddress, type WebhookAddress } from './webhook-address.ts';

function complaints(address: WebhookAddress): string[] {
  const errors = new FieldErrors();
  validateWebhookAddress(address, path('at'), errors);
  return errors.list.map(({ field, message }) => `${field}: ${message}`);
}

// As k8s.io/apiserver 0.36 says them.
const form = 'desired format: https://host[/path]';
const noHttps = (scheme: string) =>
  `at.url: Invalid value: "${scheme}": 'https' is the only allowed URL scheme; ${form}`;
const noHost = `at.url: Invalid value: "": host must be specified; ${form}`;
const noUrl = (url: string, why: string) =>
  `at.url: Required value: url must be a valid URL: parse ${JSON.stringify(url)}: ${why}; ${form}`;

test('URLs of webhooks', () => {
  const urls: Readonly<Record<string, readonly string[]>> = {
    '': [noHttps(''), noHost],
    x: [noHttps(''), noHost],
    'http://a': [noHttps('http')],
    'https://': [noHost],
    'https:///p': [noHost],
    'https://a/b?c=d': ['at.url: Invalid value: "c=d": query parameters are not permitted in the URL'],
    'https://a/b#f': ['at.url: Invalid value: "f": fragments are not permitted in the URL'],
    'https://u:p@a/b': ['at.url: Invalid value: "u:p": user information is not permitted in the URL'],
    '//a/b': [noHttps('')],
    'https://a b/': [noUrl('https://a b/', 'invalid character " " in host name')],
    'https://a/%zz': [noUrl('https://a/%zz', 'invalid URL escape "%zz"')],
    'a.b:443/x': [noHttps('a.b'), noHost],
    ':foo': [noUrl(':foo', 'missing protocol scheme')],
    'https://a:99999/': [],
    'https://[::1]/x': [],
    'https://A/b': [],
    'https://a?': [],
    'https://a#': [],
  };
  for (const [url, expected] of Object.entries(urls)) assert.deepEqual(complaints({ url }), expected, url);
});

test('services of webhooks', () => {
  const at = (path: string, port = 443) => complaints({ service: { namespace: 'n', name: 'm', path, port } });
  const wrong = (path: string, why: string) => `at.service.path: Invalid value: ${JSON.stringify(path)}: ${why}`;
  assert.deepEqual(complaints({ service: {} }), [
    'at.service.name: Required value',
    'at.service.namespace: Required value',
  ]);
  for (const sound of ['', '/', '/foo/', '/a.b/c-d']) assert.deepEqual(at(sound), []);
  assert.deepEqual(at('foo'), [wrong('foo', "must start with a '/'")]);
  for (const [path, i] of [
    ['//', 0],
    ['/foo//bar/', 1],
    ['/foo/bar//', 2],
  ] as const)
    assert.deepEqual(at(path), [wrong(path, `segment[${i}] may not be empty`)]);
  assert.match(
    at('/Foo/b_c').join('\n'),
    /segment\[0\]: a lowercase RFC 1123 subdomain .*\n.*segment\[1\]: a lowercase/,
  );
  assert.deepEqual(at('/', 65536), [
    'at.service.port: Invalid value: 65536: port is not valid: must be between 1 and 65535, inclusive',
  ]);
  for (const none of [{}, { url: 'https://a', service: {} }])
    assert.deepEqual(complaints(none), ['at: Required value: exactly one of url or service is required']);
});
