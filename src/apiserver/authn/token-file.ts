// The static token file: lines `token,user,uid[,"group1,group2"]`, read as Go reads CSV.
import { CredentialError, type TokenAuthenticator, type UserInfo } from './user.ts';

/** Reads the file's text. Throws an error that names the line. The last of several lines for a token counts. */
export function parseTokenFile(text: string, file = 'tokens.csv'): ReadonlyMap<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  for (const columns of parseCsv(text)) {
    if (columns.length < 3)
      throw new Error(
        `token file '${file}' must have at least 3 columns (token, user name, user uid), found ${columns.length}`,
      );
    const [token, name, uid, groups] = columns as [string, string, string, string | undefined];
    // An empty token would make an empty credential a valid one.
    if (!token) continue;
    users.set(token, { name, ...(uid ? { uid } : {}), groups: groups === undefined ? [] : groups.split(',') });
  }
  return users;
}

const plainCell = /[^,\n]*/y;
const quotedCell = /"((?:[^"]|"")*)("|$)/y;

/** Cells may be quoted, and hold lines then. Lines without anything are no records. */
function parseCsv(text: string): string[][] {
  const input = text.replaceAll('\r\n', '\n');
  const records: string[][] = [];
  let record: string[] = [];
  let at = 0;
  let start = 0;
  // `to`: the last character of the fault.
  const refuse = (to: number, why: string): Error => {
    const lineOf = (i: number) => input.slice(0, i).split('\n').length;
    // The end of a text is at the end of its last line.
    const last = to === input.length && input.endsWith('\n') ? to - 1 : to;
    const column = Buffer.byteLength(input.slice(input.lastIndexOf('\n', last - 1) + 1, to)) + 1;
    const record = lineOf(start) < lineOf(last) ? `record on line ${lineOf(start)}; ` : '';
    return new Error(`${record}parse error on line ${lineOf(last)}, column ${column}: ${why}`);
  };
  while (at < input.length) {
    if (!record.length && input[at] === '\n') {
      at++;
      continue;
    }
    if (!record.length) start = at;
    const quoted = input[at] === '"';
    const cell = quoted ? quotedCell : plainCell;
    cell.lastIndex = at;
    const found = cell.exec(input)!;
    const end = cell.lastIndex;
    if (quoted && (!found[2] || !/^[,\n]?$/.test(input[end] ?? '')))
      throw refuse(found[2] ? end - 1 : end, 'extraneous or missing " in quoted-field');
    const bare = quoted ? -1 : found[0].indexOf('"');
    if (bare >= 0) throw refuse(at + bare, 'bare " in non-quoted-field');
    record.push(quoted ? found[1]!.replaceAll('""', '"') : found[0]);
    at = end + 1;
    if (input[end] === ',' && at < input.length && input[at] !== '\n') continue;
    if (input[end] === ',') {
      record.push('');
      at++;
    }
    records.push(record);
    record = [];
  }
  return records;
}

/** Good for every audience of this API server. */
export function tokenFileAuthenticator(
  users: ReadonlyMap<string, UserInfo>,
  apiAudiences: readonly string[],
): TokenAuthenticator {
  return {
    authenticateToken(token, audiences) {
      const user = users.get(token);
      if (!user) return undefined;
      const common = audiences.filter(a => apiAudiences.includes(a));
      if (!common.length) throw new CredentialError('token is not for the target audiences');
      return { user, audiences: common };
    },
  };
}
