// Lists pods and forgets them, in a process of its own. Takes a URL, a folder with ca, cert and key, and how many times.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { call, connectTo, podsPath } from './api-load.ts';

const [url = '', folder = '', times] = process.argv.slice(2);
const [ca, cert, key] = ['ca', 'cert', 'key'].map(name => readFileSync(join(folder, name), 'utf8')) as [
  string,
  string,
  string,
];
const session = await connectTo(url, { ca, cert, key });
for (let i = 0; i < Number(times); i++) await call(session, 'GET', podsPath);
session.close();
