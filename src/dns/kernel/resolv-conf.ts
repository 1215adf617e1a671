/** Addresses of the `nameserver` lines, in order, each once. */
export function parseNameservers(text: string): string[] {
  const found = text.split('\n').flatMap(line => {
    const [word, address] = line.trim().split(/\s+/);
    return word === 'nameserver' && address ? [address] : [];
  });
  return [...new Set(found)];
}
