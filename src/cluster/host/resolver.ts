/** True for an address that means the machine itself. */
export const isLoopback = (address: string): boolean => /^127\./.test(address) || address === '::1';
