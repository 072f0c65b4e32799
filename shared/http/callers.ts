// Who may call: keys of the bridge's own, or tokens with an app role.
//
// A key is 256 random bits behind a prefix that scanners for secrets can know; only its SHA-256 is kept. A name has at
// most two keys: the new one is added, the caller is moved to it, the old one is revoked. All callers are one secret of
// the vault (at most 25 KB, some 100 callers).
import { createHash, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { addressBytes, parseAddress } from '../mail/address.ts';
import { allowMost, isAllowable, type Deliver } from '../mail/deliver.ts';

export const rights = ['send', 'receive'] as const;
/** `send`: submissions, their state, mailboxes. `receive`: events, notices and their content. */
export type Right = (typeof rights)[number];

export const keyPrefix = 'emb_';
export const keysPerCaller = 2;

const callerName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

const address = z
  .string()
  .max(addressBytes)
  .refine((text) => parseAddress(text).kind === 'ok', { error: 'is not an address' });

/** As readDeliver reads it in settings. */
const deliver = z.union([
  z.enum(['live', 'hold']),
  z.strictObject({
    redirect: address,
    allow: z
      .array(
        z
          .string()
          .max(addressBytes)
          .refine(isAllowable, { error: 'is neither an address nor @ and a domain' }),
      )
      .max(allowMost)
      .exactOptional(),
  }),
]) satisfies z.ZodType<Deliver>;

/** What an administrator says of a caller. */
export const callerSettings = z.strictObject({
  name: z.string().regex(callerName).describe('a letter or digit, then up to 62 letters, digits or . _ -'),
  rights: z.array(z.enum(rights)).min(1).max(rights.length).describe('"send", "receive" or both'),
  mailboxes: z
    .array(address)
    .min(1)
    .max(100)
    .exactOptional()
    .describe('the mailboxes it may send for; absent: all of them'),
  deliver: deliver.exactOptional().describe('safe mode for what it submits; absent: live'),
});
export type CallerSettings = z.infer<typeof callerSettings>;

const storedKey = z.strictObject({
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** UTC ms. */
  createdAt: z.number(),
});
const storedCaller = callerSettings.extend({ keys: z.array(storedKey).max(keysPerCaller) });
const storedCallers = z.strictObject({
  version: z.literal(1),
  callers: z.array(storedCaller).max(1_000),
});

export type StoredCaller = z.infer<typeof storedCaller>;

/** Reads the secret; undefined if it is damaged. */
export function readCallers(value: string): readonly StoredCaller[] | undefined {
  try {
    return storedCallers.parse(JSON.parse(value)).callers;
  } catch {
    return undefined;
  }
}

export const writeCallers = (callers: readonly StoredCaller[]): string =>
  JSON.stringify({ version: 1, callers: [...callers] } satisfies z.input<typeof storedCallers>);

export const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

/** What names a key in lists and logs: the beginning of its hash. */
export const keyIdOf = (sha256: string): string => sha256.slice(0, 8);

/** The caller of this key. Every stored hash is compared, so the time taken says nothing. */
export function callerOfKey(callers: readonly StoredCaller[], key: string): StoredCaller | undefined {
  const given = Buffer.from(hashOf(key), 'hex');
  let found: StoredCaller | undefined;
  for (const caller of callers)
    for (const { sha256 } of caller.keys)
      if (timingSafeEqual(given, Buffer.from(sha256, 'hex'))) found = caller;
  return found;
}

/** Who makes a request, and what they may. */
export interface Caller {
  readonly name: string;
  /** `role`: a token of Entra; it may refer to any blob of the upload container. */
  readonly by: 'key' | 'role';
  readonly rights: readonly Right[];
  /** In lower case; absent: all. */
  readonly mailboxes?: readonly string[];
  /** Safe mode for what it submits; absent: live. */
  readonly deliver?: Deliver;
}

export const mayUse = ({ mailboxes }: Caller, mailbox: string): boolean =>
  mailboxes?.includes(mailbox.toLowerCase()) ?? true;
