// Durations as a person writes them: 90s, 10m, 2h.
const unitMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 };
const mostMs = 86_400_000;

/** Throws RangeError, naming the flag and the form. */
export function durationMs(text: string, flag: string): number {
  const [, digits = '', unit = ''] = /^([0-9]{1,5})([smh])$/.exec(text.trim()) ?? [];
  const ms = Number(digits) * (unitMs[unit] ?? NaN);
  if (ms >= 1_000 && ms <= mostMs) return ms;
  throw new RangeError(
    `${flag} is a time of at most 24h, such as 90s, 10m or 2h; ${JSON.stringify(text)} is not.`,
  );
}
