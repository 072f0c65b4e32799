// Safe mode: whom mail may reach at all. A service desk that is a copy of production holds real addresses, and must not
// write to them. A mailbox has a mode by its settings, and a caller over HTTP one by its key; the stricter of the two
// counts for each recipient.
import { parseAddress, sameAddress } from './address.ts';
import { isRecord } from './foreign.ts';
import { kindOf } from './quote.ts';

/**
 * `live`: everybody. `hold`: nobody; what is submitted is accepted and kept. A redirection: those of `allow`, addresses or
 * whole domains (`@example.com`), and in place of anybody else `redirect`.
 */
export type Deliver =
  'live' | 'hold' | { readonly redirect: string; readonly allow?: readonly string[] | undefined };

export const allowMost = 100;

export type ReadDeliver =
  | { readonly kind: 'ok'; readonly deliver: Deliver }
  /** `path`: below the field, such as `.allow[2]`. */
  | { readonly kind: 'refused'; readonly path: string; readonly detail: string };

/** Reads a mode as it is written in settings. */
export function readDeliver(value: unknown): ReadDeliver {
  const refused = (path: string, detail: string): ReadDeliver => ({ kind: 'refused', path, detail });
  if (value === 'live' || value === 'hold') return { kind: 'ok', deliver: value };
  if (!isRecord(value))
    return refused(
      '',
      `must be "live", "hold" or an object such as {"redirect":"tester@example.com","allow":["@example.com"]}, and is ${kindOf(value)}`,
    );
  const unknown = Object.keys(value).find((name) => name !== 'redirect' && name !== 'allow');
  if (unknown !== undefined)
    return refused(`.${unknown.slice(0, 40)}`, 'is not a field; the fields are redirect, allow');
  const { redirect, allow = [] } = value;
  const target = typeof redirect === 'string' ? parseAddress(redirect.trim()) : undefined;
  if (target?.kind !== 'ok')
    return refused('.redirect', target?.detail ?? 'must be the address that gets the mail instead');
  if (!Array.isArray(allow) || allow.length > allowMost)
    return refused(
      '.allow',
      `must be a list of at most ${allowMost} addresses or domains such as "@example.com"`,
    );
  const allowed: string[] = [];
  for (const [index, one] of allow.entries()) {
    const written: unknown = one;
    if (typeof written !== 'string' || !isAllowable(written.trim()))
      return refused(`.allow[${index}]`, 'must be an address, or a domain such as "@example.com"');
    allowed.push(written.trim());
  }
  return { kind: 'ok', deliver: { redirect: target.address, allow: allowed } };
}

/** An address; or `@` and a domain. */
export const isAllowable = (text: string): boolean =>
  parseAddress(text.startsWith('@') ? `any${text}` : text).kind === 'ok';

const allows = (allowed: string, address: string): boolean =>
  allowed.startsWith('@')
    ? address.toLowerCase().endsWith(allowed.toLowerCase())
    : sameAddress(allowed, address);

const restrictionsOf = (modes: readonly Deliver[]): readonly Exclude<Deliver, 'live'>[] =>
  modes.filter((mode) => mode !== 'live');

/** Whether mail under all these modes may go to this address. */
export function mayReach(address: string, modes: readonly Deliver[]): boolean {
  const restrictions = restrictionsOf(modes);
  if (restrictions.includes('hold')) return false;
  const redirections = restrictions.filter((mode) => mode !== 'hold');
  return (
    redirections.some(({ redirect }) => sameAddress(redirect, address)) ||
    redirections.every(({ allow = [] }) => allow.some((allowed) => allows(allowed, address)))
  );
}

export interface Delivery {
  /** Each once. */
  readonly recipients: readonly string[];
  /** What was changed, as a sentence for the events; absent: nothing. */
  readonly remark?: string;
}

/** To whom a submission goes under these modes; the first that redirects says where. */
export function deliveryOf(recipients: readonly string[], modes: readonly Deliver[]): Delivery {
  const restrictions = restrictionsOf(modes);
  if (restrictions.includes('hold'))
    return { recipients, remark: 'Safe mode: it is held and not sent, since deliver is "hold".' };
  const [first] = restrictions.filter((mode) => mode !== 'hold');
  if (first === undefined) return { recipients };
  const kept = recipients.filter((address) => mayReach(address, modes));
  const replacedCount = recipients.length - kept.length;
  if (replacedCount === 0) return { recipients };
  const isThere = kept.some((address) => sameAddress(address, first.redirect));
  return {
    recipients: isThere ? kept : [...kept, first.redirect],
    remark: `Safe mode: in place of ${replacedCount} of ${recipients.length} recipients it goes to ${first.redirect}.`,
  };
}

/** In words, for pages and lists; undefined for `live`. */
export const deliverText = (deliver: Deliver): string | undefined =>
  deliver === 'live'
    ? undefined
    : deliver === 'hold'
      ? 'holds all mail'
      : `sends to ${deliver.redirect}${deliver.allow === undefined || deliver.allow.length === 0 ? ' alone' : ` and ${deliver.allow.join(', ')} only`}`;
