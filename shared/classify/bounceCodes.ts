// Reply codes and enhanced statuses in running text.

export interface Codes {
  readonly status: string;
  readonly replyCode: string;
}

const together = /(?<![\d.])([45]\d\d)[ -]{1,2}['"(]?#?([45]\.\d{1,3}\.\d{1,3})(?![\d.]\d)/g;
const statusAlone = /(?<![\d.-])([45]\.\d{1,3}\.\d{1,3})(?![\d]|\.\d)/g;
const codeAlone = /(?<![\d./#-])(?<!\d:)([45][0-5]\d)(?=[ -](?![\d/])|[,:])/;
/** `[SMTP Error Code 550]` */
const codeNamed = /\bcode:? ?([45][0-5]\d)\b/i;

/**
 * The codes of a server's words. The pair "550 5.1.1" wins over either alone; of several the most telling, which is
 * one that is not x.0.0. Codes of a success and parts of IP addresses are no codes.
 */
export function codesIn(text: string): Codes {
  // A code and its status may stand on two lines.
  const bounded = text.slice(0, 8_000).replace(/\s+/g, ' ');
  const pairs = [...bounded.matchAll(together)].map(([, replyCode = '', status = '']) => ({
    replyCode,
    status,
  }));
  const pair = pairs.find(({ status }) => isTelling(status) && !expired.test(status)) ?? pairs[0];
  const statuses = [...bounded.matchAll(statusAlone)].map(([, status = '']) => status);
  const status = statuses.find((one) => isTelling(one) && !expired.test(one)) ?? statuses[0] ?? '';
  const code = codeAlone.exec(bounded)?.[1] ?? codeNamed.exec(bounded)?.[1] ?? '';
  if (pair === undefined) return { status, replyCode: code };
  return isTelling(pair.status) || !isTelling(status) ? pair : { status, replyCode: pair.replyCode };
}

/** "Gave up": what the server said before that is the better answer. */
const expired = /^[45]\.4\.7$/;

/** Says more than "failed" (RFC 3463: x.0.0 is "other or undefined"). */
export function isTelling(status: string): boolean {
  return status !== '' && !/^[245]\.0\.0$/.test(status);
}
