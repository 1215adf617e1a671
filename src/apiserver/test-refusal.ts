import assert from 'node:assert/strict';
import { StatusError } from '../api/status.ts';

/** What a request is refused with; fails when it is not. */
export async function refusal(promise: Promise<unknown>): Promise<StatusError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error;
  }
  return assert.fail('expected a refusal');
}
