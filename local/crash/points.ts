// Where a host is killed: before and after every durable step of a message's life, by the name that the step has
// on the wire (storageProxy/storageCall.ts) or in the SMTP dialog.
//
// `before`: the host is gone when the step would have had its effect. `after`: the step has had its effect, and
// the host is gone before it can know.
import type { SmtpStep } from '../emulators/exchange/faults.ts';
import type { SeenCall, StorageAnswer } from '../storageProxy/storageProxy.ts';

export type SceneName =
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
  /** At `dot`: the server takes the message although its client is gone, or it does not. */
  readonly serverGoesOn: boolean;
}

export interface Point {
  readonly name: string;
  readonly when: 'before' | 'after';
  readonly does: 'kill' | 'stop';
  readonly scene: SceneName;
  readonly place: StorePlace | SmtpPlace;
  /** A step that comes for every message: later repeats let some go by first. */
  readonly recurs: boolean;
}

const tells =
  (type: string): StorePlace['where'] =>
  ({ body }) =>
    body.includes(type);
const brings: StorePlace['where'] = (_call, answer) => answer?.body.includes('<QueueMessage>') === true;
const ofTheDrain: StorePlace['where'] = ({ writes }) => writes[0]?.fields['waitingCount'] === undefined;

interface Step {
  readonly name: string;
  readonly scene: SceneName;
  readonly call: string;
  readonly where?: StorePlace['where'];
  readonly recurs?: boolean;
  /** Only that: what has not been answered has done nothing. */
  readonly onlyAfter?: boolean;
}

const steps: readonly Step[] = [
  {
    name: 'submission taken off its queue',
    scene: 'usual',
    call: 'take outbound-mail',
    where: brings,
    onlyAfter: true,
  },
  { name: 'account noted', scene: 'usual', call: 'insert account' },
  { name: 'attachment stored', scene: 'usual', call: 'put outbound-content' },
  { name: 'large content stored', scene: 'large', call: 'put outbound-content' },
  { name: 'accepted', scene: 'usual', call: 'accept', recurs: true },
  { name: 'rung', scene: 'usual', call: 'put outbound-wake' },
  { name: 'submission deleted from its queue', scene: 'usual', call: 'delete outbound-mail', recurs: true },
  { name: 'bell taken', scene: 'usual', call: 'take outbound-wake', where: brings, onlyAfter: true },
  { name: 'lease taken', scene: 'usual', call: 'lease' },
  { name: 'claimed', scene: 'usual', call: 'claim', recurs: true },
  { name: 'refusals noted', scene: 'partlyRefused', call: 'move' },
  { name: 'settled as sent', scene: 'usual', call: 'settle', recurs: true },
  {
    name: 'acceptance told',
    scene: 'usual',
    call: 'put mail-status',
    where: tells('mail.accepted'),
    recurs: true,
  },
  { name: 'sending told', scene: 'usual', call: 'put mail-status', where: tells('mail.sent'), recurs: true },
  { name: 'lease given back', scene: 'usual', call: 'give back' },
  { name: 'summary noted', scene: 'usual', call: 'merge account', where: ofTheDrain },
  { name: 'bell deleted', scene: 'usual', call: 'delete outbound-wake' },
  { name: 'settled as deferred', scene: 'deferred', call: 'settle' },
  { name: 'deferral told', scene: 'deferred', call: 'put mail-status', where: tells('mail.deferred') },
  { name: 'settled as failed', scene: 'refused', call: 'settle' },
  { name: 'failure told', scene: 'refused', call: 'put mail-status', where: tells('mail.failed') },
  { name: 'refused bytes kept', scene: 'malformed', call: 'put outbound-content' },
  { name: 'rejection noted', scene: 'malformed', call: 'reject' },
  { name: 'rejection told', scene: 'malformed', call: 'put mail-status', where: tells('mail.rejected') },
  { name: 'settled as in doubt', scene: 'doubtFound', call: 'doubt' },
  { name: 'doubt told', scene: 'doubtFound', call: 'put mail-status', where: tells('mail.inDoubt') },
  { name: 'copy found', scene: 'doubtFound', call: 'conclude look' },
  { name: 'copy not found, first look', scene: 'doubtAbsent', call: 'conclude look' },
  {
    name: 'copy not found, second look',
    scene: 'doubtAbsent',
    call: 'conclude look',
    where: ({ writes }) => writes.some(({ key }) => key.startsWith('aside|')),
  },
];

const dialog: readonly (readonly [
  name: string,
  step: SmtpStep,
  serverGoesOn?: boolean,
  scene?: SceneName,
])[] = [
  ['connection opened', 'connect'],
  ['EHLO', 'ehlo'],
  ['STARTTLS', 'starttls'],
  ['AUTH', 'auth'],
  ['MAIL', 'mail'],
  ['RCPT', 'rcpt'],
  ['DATA', 'data'],
  ['in the body', 'body'],
  ['final dot, the server loses it', 'dot', false],
  ['final dot, the server takes it', 'dot', true],
  ['final dot after refusals, the server takes it', 'dot', true, 'partlyRefused'],
  ['reply on its way', 'reply', true],
];

const eachMessage: ReadonlySet<SmtpStep> = new Set(['mail', 'rcpt', 'data', 'body', 'dot', 'reply']);

const kills: readonly Point[] = [
  ...steps.flatMap(({ name, scene, call, where, recurs = false, onlyAfter = false }) =>
    (onlyAfter ? (['after'] as const) : (['before', 'after'] as const)).map((when): Point => ({
      name,
      when,
      does: 'kill',
      scene,
      place: { kind: 'store', call, ...(where === undefined ? {} : { where }) },
      recurs,
    })),
  ),
  ...dialog.map(([name, step, serverGoesOn = false, scene = 'usual']): Point => ({
    name,
    when: 'before',
    does: 'kill',
    scene,
    place: { kind: 'smtp', step, serverGoesOn },
    recurs: scene === 'usual' && eachMessage.has(step),
  })),
];

/** Stopped for longer than its lease while another host works, then let go on. */
const stopped: readonly (readonly [name: string, when: Point['when']])[] = [
  ['lease taken', 'after'],
  ['claimed', 'before'],
  ['claimed', 'after'],
  ['MAIL', 'before'],
  ['in the body', 'before'],
  ['final dot, the server takes it', 'before'],
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
