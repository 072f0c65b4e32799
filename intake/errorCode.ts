/** The code of a system error (`ENOSPC`, `ECONNRESET`), or '' if it has none. Errors are told by shape, not by class. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
