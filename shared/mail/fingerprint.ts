// Hashes that stand for a value, or for a list of values.
import { createHash, hash } from 'node:crypto';

/** SHA-256 in hex. */
export const sha256 = (data: Uint8Array | string): string => hash('sha256', data);

/** SHA-256 (hex) of the list; the length before each value keeps two lists with the same joined text apart. */
export function fingerprintOf(values: readonly string[]): string {
  const hash = createHash('sha256');
  for (const value of values) hash.update(`${value.length}:`).update(value);
  return hash.digest('hex');
}
