// Points at which a host is killed: before and after every durable step of a message, identified by its storage call
// (storageProxy/storageCall.ts) or its SMTP step.
//
// `before`: the host dies before the step takes effect. `after`: the step has taken effect, and the host dies before it
// receives the answer.
import type { SmtpStep } from '../emulators/exchange/faults.ts';
import type { SeenCall, StorageAnswer } from '../storageProxy/storageProxy.ts';

export type ScenarioName =
  'usual' | 'large' | 'deferred' | 'refused' | 'partlyRefused' | 'malformed' | 'doubtFound' | 'doubtAbsent';

export interface StorePlace {
  readonly kind: 'store';
  readonly call: string;
  /** Of the calls by that name, only these. */
  readonly where?: (call: SeenCall, answer: StorageAnswer | undefined) => boolean;
}

export interface SmtpPlace {
  readonly kind: 'smtp';
  readonly step: SmtpStep;
  /** At `dot`: whether the server accepts the message although its client is gone. */
  readonly serverGoesOn: boolean;
}

export interface Point {
  readonly name: string;
  readonly when: 'before' | 'after';
  readonly does: 'kill' | 'stop';
  readonly scenario: ScenarioName;
  readonly place: StorePlace | SmtpPlace;
  /** A step that occurs for every message: later repeats skip some first. */
  readonly recurs: boolean;
}

const publishes =
  (type: string): StorePlace['where'] =>
  ({ body }) =>
    body.includes(type);
const returnsMessages: StorePlace['where'] = (_call, answer) =>
  answer?.body.includes('<QueueMessage>') === true;
const ofTheDrain: StorePlace['where'] = ({ writes }) => writes[0]?.fields['waitingCount'] === undefined;

interface Step {
  readonly name: string;
  readonly scenario: ScenarioName;
  readonly call: string;
  readonly where?: StorePlace['where'];
  readonly recurs?: boolean;
  /** No `before` point: a call without an answer has no effect. */
  readonly onlyAfter?: boolean;
}

const steps: readonly Step[] = [
  {
    name: 'submission received',
    scenario: 'usual',
    call: 'take outbound-mail',
    where: returnsMessages,
    onlyAfter: true,
  },
  { name: 'account registered', scenario: 'usual', call: 'insert account' },
  { name: 'attachment stored', scenario: 'usual', call: 'put outbound-content' },
  { name: 'large content stored', scenario: 'large', call: 'put outbound-content' },
  { name: 'accepted', scenario: 'usual', call: 'accept', recurs: true },
  { name: 'wake-up queued', scenario: 'usual', call: 'put outbound-wake' },
  {
    name: 'submission deleted from its queue',
    scenario: 'usual',
    call: 'delete outbound-mail',
    recurs: true,
  },
  {
    name: 'wake-up received',
    scenario: 'usual',
    call: 'take outbound-wake',
    where: returnsMessages,
    onlyAfter: true,
  },
  { name: 'lease taken', scenario: 'usual', call: 'lease' },
  { name: 'claimed', scenario: 'usual', call: 'claim', recurs: true },
  { name: 'refusals recorded', scenario: 'partlyRefused', call: 'transition' },
  { name: 'settled as sent', scenario: 'usual', call: 'settle', recurs: true },
  {
    name: 'acceptance published',
    scenario: 'usual',
    call: 'put mail-status',
    where: publishes('mail.accepted'),
    recurs: true,
  },
  {
    name: 'sending published',
    scenario: 'usual',
    call: 'put mail-status',
    where: publishes('mail.sent'),
    recurs: true,
  },
  { name: 'lease given back', scenario: 'usual', call: 'give back' },
  { name: 'summary written', scenario: 'usual', call: 'merge account', where: ofTheDrain },
  { name: 'wake-up deleted', scenario: 'usual', call: 'delete outbound-wake' },
  { name: 'settled as deferred', scenario: 'deferred', call: 'settle' },
  {
    name: 'deferral published',
    scenario: 'deferred',
    call: 'put mail-status',
    where: publishes('mail.deferred'),
  },
  { name: 'settled as failed', scenario: 'refused', call: 'settle' },
  {
    name: 'failure published',
    scenario: 'refused',
    call: 'put mail-status',
    where: publishes('mail.failed'),
  },
  { name: 'rejected content stored', scenario: 'malformed', call: 'put outbound-content' },
  { name: 'rejection written', scenario: 'malformed', call: 'reject' },
  {
    name: 'rejection published',
    scenario: 'malformed',
    call: 'put mail-status',
    where: publishes('mail.rejected'),
  },
  { name: 'settled as in doubt', scenario: 'doubtFound', call: 'doubt' },
  {
    name: 'doubt published',
    scenario: 'doubtFound',
    call: 'put mail-status',
    where: publishes('mail.inDoubt'),
  },
  { name: 'copy found', scenario: 'doubtFound', call: 'conclude lookup' },
  { name: 'copy not found, first lookup', scenario: 'doubtAbsent', call: 'conclude lookup' },
  {
    name: 'copy not found, second lookup',
    scenario: 'doubtAbsent',
    call: 'conclude lookup',
    where: ({ writes }) => writes.some(({ key }) => key.startsWith('suspended|')),
  },
];

const smtpSteps: readonly (readonly [
  name: string,
  step: SmtpStep,
  serverGoesOn?: boolean,
  scenario?: ScenarioName,
])[] = [
  ['connection opened', 'connect'],
  ['EHLO', 'ehlo'],
  ['STARTTLS', 'starttls'],
  ['AUTH', 'auth'],
  ['MAIL', 'mail'],
  ['RCPT', 'rcpt'],
  ['DATA', 'data'],
  ['in the body', 'body'],
  ['final dot, dropped by the server', 'dot', false],
  ['final dot, accepted by the server', 'dot', true],
  ['final dot after refusals, accepted by the server', 'dot', true, 'partlyRefused'],
  ['reply on its way', 'reply', true],
];

const eachMessage: ReadonlySet<SmtpStep> = new Set(['mail', 'rcpt', 'data', 'body', 'dot', 'reply']);

const kills: readonly Point[] = [
  ...steps.flatMap(({ name, scenario, call, where, recurs = false, onlyAfter = false }) =>
    (onlyAfter ? (['after'] as const) : (['before', 'after'] as const)).map((when): Point => ({
      name,
      when,
      does: 'kill',
      scenario,
      place: { kind: 'store', call, ...(where === undefined ? {} : { where }) },
      recurs,
    })),
  ),
  ...smtpSteps.map(([name, step, serverGoesOn = false, scenario = 'usual']): Point => ({
    name,
    when: 'before',
    does: 'kill',
    scenario,
    place: { kind: 'smtp', step, serverGoesOn },
    recurs: scenario === 'usual' && eachMessage.has(step),
  })),
];

/** Stopped for longer than its lease while another host works, then resumed. */
const stopped: readonly (readonly [name: string, when: Point['when']])[] = [
  ['lease taken', 'after'],
  ['claimed', 'before'],
  ['claimed', 'after'],
  ['MAIL', 'before'],
  ['in the body', 'before'],
  ['final dot, accepted by the server', 'before'],
  ['reply on its way', 'before'],
  ['settled as sent', 'before'],
];

export const points: readonly Point[] = [
  ...kills,
  ...stopped.flatMap(([name, when]) =>
    kills
      .filter((one) => one.name === name && one.when === when)
      .map((one): Point => ({ ...one, does: 'stop' })),
  ),
];
