// A Date field as an instant.

/** UTC ms, or undefined for what can't be read or lies outside 1970 to 2100. Comments (RFC 5322) are dropped. */
export function dateOf(value: string): number | undefined {
  const parsed = Date.parse(
    value
      .slice(0, 200)
      .replace(/\([^()]{0,100}\)/g, ' ')
      .trim(),
  );
  return Number.isFinite(parsed) && parsed >= 0 && parsed < Date.UTC(2100, 0) ? parsed : undefined;
}
