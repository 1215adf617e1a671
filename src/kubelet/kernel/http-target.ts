// URLs of HTTP probes as Go writes them.

/** A URL with its host as it was written: URL leaves out ports that are the scheme's own. */
export interface HttpTarget {
  readonly url: URL;
  readonly host: string;
}

export const targetOf = (scheme: string, host: string, path: string): HttpTarget => ({
  url: new URL(`${scheme}://${host}${path}`),
  host,
});

export const hrefOf = ({ url, host }: HttpTarget): string => url.href.replace(url.host, () => host);

/** Host and port that a request for it goes to. */
export const dialledBy = (url: URL): string =>
  url.port ? url.host : `${url.host}:${url.protocol === 'https:' ? 443 : 80}`;

/** Where an answer sends the request on to. */
export function redirected({ url, host }: HttpTarget, location: string): HttpTarget {
  const written = /^(?:[a-z][a-z\d+.-]*:)?\/\/(?:[^/?#@]*@)?([^/?#]*)/i.exec(location);
  return { url: new URL(location, url), host: written?.[1] || host };
}
