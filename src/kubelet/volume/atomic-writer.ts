import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import type { Host } from '../host/host.ts';
import { isInside, type Payload } from '../kernel/payload.ts';

const dataLink = '..data';
const temporaryLink = '..data_tmp';
const decoder = new TextDecoder();
/** What bytes that are no UTF-8 decode to. */
const noText = '\ufffd';

/**
 * Writes a payload so that readers see all of the old or all of the new one: files in a directory named by time,
 * `..data` a link to it, moved in one rename, and a link for each first path element that goes through `..data`.
 */
export async function writePayload(
  host: Host,
  clock: Clock,
  dir: string,
  payload: Payload,
  owner: { readonly gid?: number } = {},
): Promise<void> {
  for (const path of payload.keys()) if (!isInside(path)) throw new Error(`path "${path}" must stay inside the volume`);
  const there = new Set(await host.list(dir));
  const old = there.has(dataLink) ? await host.readLink(`${dir}/${dataLink}`) : undefined;
  const name = freshName(there, stamp(clock.now()));
  const fresh = `${dir}/${name}`;
  await host.makeDirectory(fresh, 0o755);
  for (const [path, file] of payload) {
    const target = join(fresh, path);
    const parent = dirname(target);
    if (parent !== fresh) await host.makeDirectory(parent, 0o755);
    await host.writeFile(target, file.data, { mode: file.mode });
    if (file.uid !== undefined || owner.gid !== undefined) await host.chown(target, file.uid ?? -1, owner.gid ?? -1);
  }
  if (owner.gid !== undefined) await giveDirectories(host, dir, fresh, payload, owner.gid);
  const temporary = `${dir}/${temporaryLink}`;
  if (there.has(temporaryLink)) await host.remove(temporary);
  await host.symlink(name, temporary);
  await host.rename(temporary, `${dir}/${dataLink}`);
  const roots = new Set([...payload.keys()].map(p => p.split('/')[0]!));
  for (const root of roots) {
    const link = `${dir}/${root}`;
    if (!there.has(root) || (await host.readLink(link)) === undefined) await host.symlink(`${dataLink}/${root}`, link);
  }
  for (const entry of there)
    if (entry.startsWith('..') ? entry === old : !roots.has(entry)) await host.remove(`${dir}/${entry}`);
}

/** The directories go to the group as well, and hand it on. */
async function giveDirectories(host: Host, dir: string, fresh: string, payload: Payload, gid: number): Promise<void> {
  const all = new Set([dir, fresh]);
  for (const path of payload.keys())
    for (let at = dirname(path); at !== '.'; at = dirname(at)) all.add(join(fresh, at));
  for (const path of all) {
    const { mode = 0o755 } = (await host.info(path)) ?? {};
    await host.chown(path, -1, gid);
    await host.chmod(path, mode | 0o2550);
  }
}

/** Whether the directory shows just this payload already. Of what is no text nothing is known. */
export async function showsPayload(host: Host, dir: string, payload: Payload): Promise<boolean> {
  const roots = new Set([...payload.keys()].map(p => p.split('/')[0]!));
  const shown = (await host.list(dir)).filter(name => !name.startsWith('..'));
  if (shown.length !== roots.size || !shown.every(name => roots.has(name))) return false;
  for (const [path, file] of payload) {
    const text = await host.readFile(join(dir, dataLink, path));
    if (text === undefined || text !== decoder.decode(file.data) || text.includes(noText)) return false;
  }
  return (await countFiles(host, join(dir, dataLink))) === payload.size;
}

async function countFiles(host: Host, dir: string): Promise<number> {
  const paths = (await host.list(dir)).map(name => join(dir, name));
  const counts = paths.map(async path => ((await host.info(path))?.kind === 'directory' ? countFiles(host, path) : 1));
  return (await Promise.all(counts)).reduce((sum, n) => sum + n, 0);
}

function freshName(taken: ReadonlySet<string>, base: string): string {
  for (let n = 0; ; n++) {
    const name = n ? `${base}.${n}` : base;
    if (!taken.has(name)) return name;
  }
}

/** ..2026_01_31_12_00_00.000000000 */
function stamp(ms: number): string {
  const iso = new Date(ms).toISOString();
  return `..${iso.slice(0, 19).replace(/[-T:]/g, '_')}.${iso.slice(20, 23)}000000`;
}
