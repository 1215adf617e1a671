import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialledBy, hrefOf, redirected, targetOf } from './http-target.ts';

test('the port that is the own one of the scheme is told as others are', () => {
  const told = (scheme: string, host: string) => {
    const target = targetOf(scheme, host, '/x?y=1');
    return [hrefOf(target), dialledBy(target.url)];
  };
  assert.deepEqual(told('http', '10.1.2.3:80'), ['http://10.1.2.3:80/x?y=1', '10.1.2.3:80']);
  assert.deepEqual(told('https', '10.1.2.3:443'), ['https://10.1.2.3:443/x?y=1', '10.1.2.3:443']);
  assert.deepEqual(told('http', '10.1.2.3:8080'), ['http://10.1.2.3:8080/x?y=1', '10.1.2.3:8080']);
  assert.deepEqual(told('http', '[fd00::1]:80'), ['http://[fd00::1]:80/x?y=1', '[fd00::1]:80']);
  assert.deepEqual(told('http', 'http:80'), ['http://http:80/x?y=1', 'http:80']);
  assert.deepEqual(told('https', 'p:443'), ['https://p:443/x?y=1', 'p:443']);
});

test('a request that is sent on is told with the host as it was written there, else with its own', () => {
  const from = targetOf('http', '10.1.2.3:80', '/x');
  const told = (location: string) => {
    const target = redirected(from, location);
    return [hrefOf(target), dialledBy(target.url)];
  };
  assert.deepEqual(told('/y'), ['http://10.1.2.3:80/y', '10.1.2.3:80']);
  assert.deepEqual(told('http://10.1.2.3/y'), ['http://10.1.2.3/y', '10.1.2.3:80']);
  assert.deepEqual(told('https://10.1.2.3:443/y'), ['https://10.1.2.3:443/y', '10.1.2.3:443']);
  assert.deepEqual(told('//a.example/y'), ['http://a.example/y', 'a.example:80']);
  assert.deepEqual(told('http://a@a/y'), ['http://a@a/y', 'a:80']);
  assert.deepEqual(told('http://a:b@b:80/y'), ['http://a:b@b:80/y', 'b:80']);
});

test('what is no URL is refused in the words of Go, where the platform refuses it too', () => {
  const from = targetOf('http', '10.1.2.3:80', '/x');
  for (const [location, message] of [
    ['http://[bad', `parse "http://[bad": missing ']' in host`],
    ['http://%zz/', 'parse "http://%zz/": invalid URL escape "%zz"'],
    [':', 'parse ":": missing protocol scheme'],
    ['http://10.1.2.3:99999/', 'parse "http://10.1.2.3:99999/": invalid URL'],
  ] as const)
    assert.throws(() => redirected(from, location), { message });
});
