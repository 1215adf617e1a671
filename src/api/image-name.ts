// How Kubernetes reads an image reference: enough to know its tag.

const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[(?:[a-fA-F0-9:]+)\\])(?::[0-9]+)?`;
const PATH_PART = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REFERENCE = new RegExp(
  `^(?:(${DOMAIN})/)?(${PATH_PART}(?:/${PATH_PART})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$`,
);

/** Tag and digest of an image reference: tag `latest` when it names neither; undefined for a malformed reference. */
export function parseImageName(image: string): { readonly tag: string; readonly digest: string } | undefined {
  const match = REFERENCE.exec(image);
  if (!match) return undefined;
  const tag = match[3] ?? '';
  const digest = match[4] ?? '';
  return { tag: tag || digest ? tag : 'latest', digest };
}

const policies = new Map<string, 'Always' | 'IfNotPresent'>();

/** The pull policy an image gets when none is named: `latest` is always pulled. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  let policy = policies.get(image);
  if (!policy) {
    policy = parseImageName(image)?.tag === 'latest' ? 'Always' : 'IfNotPresent';
    // Few images, many pods; emptying the full cache bounds it.
    if (policies.size >= 1024) policies.clear();
    if (image.length <= 512) policies.set(image, policy);
  }
  return policy;
}
