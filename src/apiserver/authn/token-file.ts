// The static token file: lines `token,user,uid[,"group1,group2"]`.
import { CredentialError, type TokenAuthenticator, type UserInfo } from './user.ts';

/** Reads the file's text. Throws an error that names the line. */
export function parseTokenFile(text: string, file = 'tokens.csv'): ReadonlyMap<string, UserInfo> {
  const users = new Map<string, UserInfo>();
  text.split(/\r?\n/).forEach((line, i) => {
    if (!line.trim() || line.startsWith('#')) return;
    const columns = parseCsvLine(line, `read token file "${file}": line ${i + 1}`);
    if (columns.length < 3)
      throw new Error(
        `token file '${file}' must have at least 3 columns (token, user name, user uid), found ${columns.length}`,
      );
    const [token, name, uid, groups] = columns as [string, string, string, string | undefined];
    // An empty token would make an empty credential a valid one.
    if (!token || users.has(token)) return;
    users.set(token, {
      name,
      ...(uid ? { uid } : {}),
      groups: (groups ?? '')
        .split(',')
        .map(g => g.trim())
        .filter(Boolean),
    });
  });
  return users;
}

function parseCsvLine(line: string, where: string): string[] {
  const columns: string[] = [];
  const cell = /\s*(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  for (;;) {
    const found = cell.exec(line);
    if (!found) throw new Error(`${where}: a quote is out of place`);
    columns.push(found[1] !== undefined ? found[1].replaceAll('""', '"') : found[2]!.trim());
    if (found[3] === '') return columns;
  }
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
