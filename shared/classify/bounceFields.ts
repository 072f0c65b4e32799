// The fields of a delivery status notification (RFC 3464), from its own part or, where an old server wrote them
// into plain text, from there.
import { readHeaders, type HeaderField } from '../mail/headers.ts';
import { reportedAddress } from './bounceAddress.ts';
import type { BounceRecipient } from '../contract/classification.ts';

/** One recipient as the report has it; every field may be missing. */
export interface ReportedRecipient {
  readonly final: string;
  readonly original: string;
  readonly action: BounceRecipient['action'] | '';
  readonly status: string;
  readonly diagnostic: string;
  readonly lastAttempt: string;
}

export const recipientLimit = 1_000;

/** The per-recipient groups of a message/delivery-status body; groups without a recipient, status or action are skipped. */
export function readReport(body: string): readonly ReportedRecipient[] {
  const found: ReportedRecipient[] = [];
  for (const group of body.slice(0, 500_000).split(/\n[ \t]*\n/)) {
    if (found.length >= recipientLimit) break;
    const { fields } = readHeaders(`${group.replace(/^\n+/, '')}\n`);
    const names = new Set(fields.map(({ name }) => name));
    if (
      !names.has('final-recipient') &&
      !names.has('original-recipient') &&
      !names.has('status') &&
      !names.has('action')
    ) {
      continue;
    }
    found.push(...splitByRecipient(fields).map(recipientOf));
  }
  // Some write an action for the whole message, too: that is nobody's.
  const named = found.filter(({ final, original }) => final !== '' || original !== '');
  return named.length > 0 ? named : found;
}

/** Some servers put several recipients into one group. */
function splitByRecipient(fields: readonly HeaderField[]): readonly (readonly HeaderField[])[] {
  const finals = fields.filter(({ name }) => name === 'final-recipient').length;
  if (finals < 2) return [fields];
  const groups: HeaderField[][] = [];
  let current: HeaderField[] = [];
  for (const one of fields) {
    const begins = one.name === 'final-recipient' && current.some(({ name }) => name === 'final-recipient');
    if (begins) {
      groups.push(current);
      current = [];
    }
    current.push(one);
  }
  groups.push(current);
  return groups;
}

function recipientOf(fields: readonly HeaderField[]): ReportedRecipient {
  const value = (name: string): string => fields.find((one) => one.name === name)?.value ?? '';
  const final = reportedAddress(value('final-recipient')) || reportedAddress(value('x-actual-recipient'));
  return {
    final,
    original: reportedAddress(value('original-recipient')) || reportedAddress(value('x-actual-recipient')),
    action: actionOf(value('action')),
    status: /[245]\.\d{1,3}\.\d{1,3}/.exec(value('status'))?.[0] ?? '',
    diagnostic: plainDiagnostic(value('diagnostic-code')),
    lastAttempt: value('remote-mta'),
  };
}

function actionOf(value: string): BounceRecipient['action'] | '' {
  const word = /[a-z]+/.exec(value.toLowerCase())?.[0];
  switch (word) {
    case 'failed':
    case 'delayed':
    case 'delivered':
    case 'relayed':
    case 'expanded':
      return word;
    case 'deliverable':
      return 'delivered';
    case 'failure':
    case 'fail':
      return 'failed';
    case 'delay':
    case 'deferred':
      return 'delayed';
    case undefined:
    default:
      return '';
  }
}

/** Without the type before the semicolon (`smtp;`, `x-unix;`), comments kept. */
function plainDiagnostic(value: string): string {
  return value.replace(/^\s*(?:smtp|x-[\w-]{1,30}|x400|unix|dns)\s*;\s*/i, '').slice(0, 4_000);
}
