// How long Exchange Online takes until a change (a grant, a switch of a mailbox) is in force everywhere: up to 90 minutes,
// as measured by others. The one figure; every remedy, page and script uses it.

export const exchangeWaitMs = 90 * 60_000;
const wait = `${exchangeWaitMs / 60_000} minutes`;

/** The end of a remedy that changes something in Exchange Online. */
export const exchangeWait = `It takes up to ${wait} to work.`;

/** For somebody who has changed it already. */
export const exchangeWaitAfterChange = `After a change wait up to ${wait}.`;
