// A thread that reads YAML: bytes come, and what is in them goes back as JSON.
import { parentPort } from 'node:worker_threads';
import { messageOf } from '../base/assert.ts';
import { readYaml } from './yaml-reader.ts';

/** What the thread answers: the content as JSON in UTF-8, or why it is none. */
export type YamlAnswer =
  | { readonly json: Uint8Array; readonly duplicates: string[]; readonly lines?: readonly number[] | undefined }
  | { readonly fault: string };

parentPort?.on('message', (bytes: Uint8Array) => parentPort!.postMessage(answer(bytes)));

function answer(bytes: Uint8Array): YamlAnswer {
  try {
    const { value, duplicates, lines } = readYaml(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes));
    return { json: Buffer.from(JSON.stringify(value)), duplicates, lines };
  } catch (error) {
    return { fault: messageOf(error) };
  }
}
