// Image names: default tags, pull policy by tag, which pull secrets apply.

const component = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const domain =
  '(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?';
const reference = new RegExp(
  `^((?:${domain}/)?${component}(?:/${component})*)(?::(\\w[\\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

export interface ImageName {
  readonly repository: string;
  readonly tag?: string;
  readonly digest?: string;
}

export function parseImageName(image: string): ImageName | { readonly error: string } {
  const m = reference.exec(image);
  if (!m)
    return {
      error: reference.test(image.toLowerCase())
        ? 'invalid reference format: repository name must be lowercase'
        : 'invalid reference format',
    };
  if (/^[0-9a-f]{64}$/.test(image))
    return { error: 'invalid repository name, cannot specify 64-byte hexadecimal strings' };
  return { repository: m[1]!, ...(m[2] ? { tag: m[2] } : {}), ...(m[3] ? { digest: m[3] } : {}) };
}

/** The name with `:latest` when it has neither tag nor digest. */
export function withDefaultTag(image: string): string {
  const parsed = parseImageName(image);
  return 'error' in parsed || parsed.tag || parsed.digest ? image : `${image}:latest`;
}

/** With the registry that a bare name means: `nginx` is `docker.io/library/nginx`. */
export function qualifiedRepository(repository: string): string {
  const slash = repository.indexOf('/');
  const first = slash < 0 ? '' : repository.slice(0, slash);
  if (slash < 0) return `docker.io/library/${repository}`;
  if (first.includes('.') || first.includes(':') || first === 'localhost') return repository;
  return `docker.io/${repository}`;
}

/** Of a secret or a service account. */
export interface SecretCoordinates {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export interface RegistryCredential {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

/** Where credentials come from. Neither: they are the node's. */
export interface CredentialSource {
  readonly secret?: SecretCoordinates;
  /** The service account for which a plugin gave them. */
  readonly account?: SecretCoordinates;
}

export interface SourcedCredential extends RegistryCredential, CredentialSource {}

export interface Keyring extends CredentialSource {
  /** Registry or registry/path, perhaps with wildcards in the host, to credential. */
  readonly entries: readonly (readonly [pattern: string, credential: RegistryCredential])[];
}

interface DockerAuth {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

const decode = (text: string) => new TextDecoder().decode(Uint8Array.from(atob(text), c => c.charCodeAt(0)));

function credentialOf(auth: DockerAuth): RegistryCredential {
  let { username, password } = auth;
  if (auth.auth) {
    try {
      const [user, ...rest] = decode(auth.auth).split(':');
      username = user;
      password = rest.join(':');
    } catch {
      // An unreadable auth field leaves what username and password say.
    }
  }
  return {
    ...(username !== undefined ? { username } : {}),
    ...(password !== undefined ? { password } : {}),
    ...(auth.identitytoken ? { identityToken: auth.identitytoken } : {}),
    ...(auth.registrytoken ? { registryToken: auth.registrytoken } : {}),
  };
}

/** From the decoded text of `.dockerconfigjson` or `.dockercfg`. Throws on what is not JSON. */
export function keyringOf(type: string | undefined, text: string, secret?: SecretCoordinates): Keyring {
  const parsed = JSON.parse(text) as { auths?: Record<string, DockerAuth> } & Record<string, DockerAuth>;
  const auths = type === 'kubernetes.io/dockercfg' ? parsed : (parsed.auths ?? {});
  return {
    ...(secret ? { secret } : {}),
    entries: Object.entries(auths).map(([host, auth]) => [
      host
        .replace(/^https?:\/\//, '')
        .replace(/\/v[12]\/?$/, '')
        .replace(/\/$/, ''),
      credentialOf(auth as DockerAuth),
    ]),
  };
}

const dockerHubNames = new Set(['index.docker.io', 'docker.io', 'registry-1.docker.io', 'registry.hub.docker.com']);

/** Whether a repository with its registry is one that a pattern means: registry or registry/path, wildcards in the host. */
export function matchesPattern(pattern: string, repository: string): boolean {
  const slash = pattern.indexOf('/');
  const patternHost = slash < 0 ? pattern : pattern.slice(0, slash);
  const patternPath = slash < 0 ? '' : pattern.slice(slash + 1);
  const repositorySlash = repository.indexOf('/');
  const host = repository.slice(0, repositorySlash);
  const path = repository.slice(repositorySlash + 1);
  if (dockerHubNames.has(patternHost) ? !dockerHubNames.has(host) : !hostMatches(patternHost, host)) return false;
  return patternPath === '' || path === patternPath || path.startsWith(`${patternPath}/`);
}

// Wildcards stand for one label; the number of labels and the port must agree.
function hostMatches(pattern: string, host: string): boolean {
  const [patternName, patternPort] = pattern.split(':');
  const [name, port] = host.split(':');
  if (patternPort !== port) return false;
  const want = patternName!.split('.');
  const have = name!.split('.');
  return (
    want.length === have.length &&
    want.every((label, i) =>
      new RegExp(
        `^${label
          .replace(/[+^$()|[\]{}\\]/g, '\\$&')
          .replace(/\*/g, '.*')
          .replace(/\?/g, '.')}$`,
      ).test(have[i]!),
    )
  );
}

/** Credentials to try for an image, the most specific first. */
export function credentialsFor(image: string, keyrings: readonly Keyring[]): readonly SourcedCredential[] {
  const parsed = parseImageName(image);
  if ('error' in parsed) return [];
  const repository = qualifiedRepository(parsed.repository);
  return keyrings
    .flatMap(({ entries, ...source }) => entries.map(([pattern, c]) => [pattern, { ...c, ...source }] as const))
    .filter(([pattern]) => matchesPattern(pattern, repository))
    .sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0))
    .map(([, credential]) => credential);
}
