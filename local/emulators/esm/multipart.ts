// multipart/form-data (RFC 7578), whole in memory.

/** The parts by name. Empty for a body that is none. */
export function multipartOf(bytes: Buffer, contentType: string): ReadonlyMap<string, Buffer> {
  const parts = new Map<string, Buffer>();
  const boundary = /boundary="?([^";]+)"?/.exec(contentType)?.[1];
  if (boundary === undefined) return parts;
  const delimiter = `\r\n--${boundary}`;
  const body = Buffer.concat([Buffer.from('\r\n'), bytes]);
  for (let start = body.indexOf(delimiter); start >= 0;) {
    const end = body.indexOf(delimiter, start + delimiter.length);
    if (end < 0) break;
    const part = body.subarray(start + delimiter.length + 2, end);
    const blank = part.indexOf('\r\n\r\n');
    const name = /;\s*name="([^"]*)"/i.exec(part.subarray(0, blank).toString('utf8'))?.[1];
    if (name !== undefined && blank >= 0) parts.set(name, part.subarray(blank + 4));
    start = end;
  }
  return parts;
}
