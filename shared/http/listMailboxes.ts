// GET /api/mailboxes: what a caller may send for, how much of the limits is used, and when what waits will have left. The
// SMTP intake reads it every five minutes.
import type { z } from 'zod';
import { accountKey } from '../mail/accountKey.ts';
import { deliverText } from '../mail/deliver.ts';
import { present } from '../mail/omit.ts';
import { mayUse, type Caller } from './callers.ts';
import type { HttpDependencies } from './dependencies.ts';
import { jsonAnswer, type HttpAnswer, type HttpRequest } from './httpMessage.ts';
import { requestBytes } from './numbers.ts';
import type { mailboxesAnswer } from './routes.ts';

export async function listMailboxes(
  _request: HttpRequest,
  caller: Caller,
  { mailboxes, outbound, maxima }: HttpDependencies,
): Promise<HttpAnswer> {
  const own = mailboxes.filter(({ address }) => mayUse(caller, address));
  const accounts = new Set(own.filter(({ send }) => send).map(({ smtpUser }) => accountKey(smtpUser)));
  const forecasts = new Map(
    await Promise.all(
      [...accounts].map(async (account) => [account, await outbound.forecast(account)] as const),
    ),
  );
  const listed = own.map(({ address, aliases, send, receive, smtpUser, deliver }) => {
    const forecast = send ? forecasts.get(accountKey(smtpUser)) : undefined;
    const { messagesPerMinute = 0, recipientsPerDay = 0, recipientsToday = 0 } = forecast ?? {};
    return {
      address,
      aliases: [...(aliases ?? [])],
      send,
      receive,
      ...present({ safeMode: deliverText(deliver ?? caller.deliver ?? 'live') }),
      ...(forecast === undefined
        ? {}
        : {
            quota: { messagesPerMinute, recipientsPerDay, recipientsToday },
            waitingCount: forecast.waitingCount,
            hasMore: forecast.more,
            ...(forecast.clearsAt === undefined
              ? {}
              : { clearsAt: new Date(forecast.clearsAt).toISOString() }),
          }),
    };
  });
  return jsonAnswer(200, {
    mailboxes: listed,
    maxima: {
      requestBytes,
      messageBytes: maxima.contentBytes,
      recipientsCount: maxima.recipientsCount,
    },
  } satisfies z.infer<typeof mailboxesAnswer>);
}
