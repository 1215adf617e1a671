// Load on a service: visitors that ask again and again, each time over a new connection.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { eventually } from '../lab.ts';

export interface Visitors {
  /** Rejects when somebody was turned away; resolves with what they read, each text once. */
  leave(): Promise<readonly string[]>;
  /** Resolves when so many more have been served. */
  served(more: number): Promise<void>;
}

const askMs = 10_000;

function ask(url: string): Promise<string> {
  return new Promise((done, failed) => {
    const sent = request(url, { agent: false, timeout: askMs }, response => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', chunk => {
        text += chunk;
      });
      response.on('error', failed);
      response.on('end', () => {
        if (response.statusCode === 200) done(text.trim());
        else failed(new Error(`${response.statusCode}: ${text}`));
      });
    });
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${askMs / 1000} s`)));
    sent.on('error', failed);
    sent.end();
  });
}

/** Waits for the first answer, then starts `count` visitors. */
export async function visit(url: string, count = 3): Promise<Visitors> {
  await eventually(`an answer of ${url}`, () => ask(url));
  const failures: unknown[] = [];
  const read = new Set<string>();
  let served = 0;
  let over = false;
  const visitor = async () => {
    while (!over) {
      try {
        read.add(await ask(url));
        served++;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  const all = Promise.all(Array.from({ length: count }, visitor));
  return {
    async leave() {
      over = true;
      await all;
      assert.deepEqual(failures, [], `${failures.length} of ${served + failures.length} requests failed`);
      return [...read].sort();
    },
    async served(more) {
      const from = served;
      await eventually(`${more} more answers`, async () => served >= from + more);
    },
  };
}
