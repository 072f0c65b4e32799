// ESM_CONNECTOR: which mail goes to which template, and what goes to which attribute. Every code is the customer's own
// (`npm run esm -- init` lists them), so nothing here has a default that names one.
import { z } from 'zod';
import { codePattern } from './client/filter.ts';

const code = z
  .string()
  .regex(
    codePattern,
    'must be a code of ESM (letters, digits and _, at most 100); `npm run esm -- init` lists them',
  );
const folder = z.string().min(1).max(200);

/** A value that is always written: of a static value the code or the value. */
const fixedValue = z.union([
  z.strictObject({ code: z.string().min(1).max(200) }),
  z.strictObject({ value: z.union([z.string().min(1).max(1_000), z.number()]) }),
  z.strictObject({ dataCardId: z.string().regex(/^\d{1,20}$/, 'must be the id of a data card') }),
]);
const fixedValues = z
  .record(code, fixedValue)
  .describe('attribute to value: {"code": …}, {"value": …} or {"dataCardId": …}');

const attributes = z.strictObject({
  mailId: code.describe(
    'string: the bridge’s id of the mail; a card is looked for by it before one is created, so it must be filled by nobody else',
  ),
  subject: code.describe('string'),
  text: code.describe('string: the text of the mail that makes a card'),
  comments: code.optional().describe('worklog that the requester sees; needed for deliverInto worklog'),
  internal: code.optional().describe('worklog for agents: bounces, and remarks of the bridge'),
  sender: code.optional().describe('string: name and address of the sender'),
  person: code.optional().describe('reference to the sender’s card, found by the addresses in persons'),
  cc: code.optional().describe('string: the other recipients'),
  receivedAt: code.optional().describe('date'),
  files: code.optional().describe('external-reference that takes files: the attachments'),
  raw: code
    .optional()
    .describe('external-reference that takes files: the mail as it came (.eml); needed for deliverInto mail'),
  refersTo: code.optional().describe('reference to the closed card that a new one follows'),
});

const incoming = z.strictObject({
  mailboxes: z.array(z.string().min(3).max(320)).min(1).max(100).describe('whose mail it is'),
  template: code,
  folder: folder.describe('code of the folder in which cards are created'),
  deliverInto: z
    .enum(['worklog', 'mail'])
    .default('worklog')
    .describe('how a mail comes onto a card that exists: as a comment, or as an .eml in attributes.raw'),
  attributes,
  fixed: fixedValues.default({}).describe('set on a new card, such as its status'),
  onReply: fixedValues.default({}).describe('set when a person’s mail came onto a card, such as its status'),
  mayAnswer: z
    .strictObject({ attribute: code, yes: fixedValue, no: fixedValue })
    .optional()
    .describe(
      'whether a machine may answer the mail (RFC 3834); written with the card, before ESM acknowledges it',
    ),
  persons: z
    .array(z.strictObject({ template: code, attribute: code.describe('string: the e-mail address') }))
    .max(5)
    .default([])
    .describe('where the sender is looked for; one call of ESM for each'),
  cardIds: z
    .array(
      z.strictObject({
        pattern: z.string().min(1).max(200).refine(isPattern, 'must be a regular expression with one group'),
        attribute: code
          .optional()
          .describe('string that the group is compared with; without it, the card’s id'),
      }),
    )
    .max(5)
    .default([])
    .describe('ids in a subject: {"pattern": "\\\\[(INC-\\\\d+)\\\\]", "attribute": "incident_id"}'),
  parties: z
    .array(code)
    .max(10)
    .default([])
    .describe(
      'strings and references that name whom a card concerns; others don’t get onto it by a subject alone',
    ),
  stranger: z
    .enum(['comment', 'newCard'])
    .default('newCard')
    .describe(
      'a mail that names a card, from somebody who is no party: a marked internal comment, or a new card',
    ),
  mergedInto: code.optional().describe('reference to the card that this one was merged into'),
  closed: z
    .strictObject({
      attribute: code,
      values: z.array(z.string().min(1).max(200)).min(1).max(20),
      since: code.describe('date on which it was closed'),
      days: z.int().min(0).max(3_650),
    })
    .optional()
    .describe('a card that has one of the values for longer than the days gets no mail: a new card is made'),
  keepRaw: z
    .enum(['always', 'whenRicher', 'never'])
    .default('whenRicher')
    .describe('the .eml in attributes.raw; whenRicher: if the mail has tables or pictures that text has not'),
  newCardsPerMinute: z.int().min(1).max(1_000).default(10).describe('from one sender; further mail waits'),
  blockedExtensions: z
    .array(z.string().regex(/^[a-z0-9]{1,10}$/, 'must be an extension without the dot, in lower case'))
    .max(100)
    .default(['bat', 'cmd', 'com', 'exe', 'hta', 'jar', 'js', 'lnk', 'msi', 'ps1', 'scr', 'vbs', 'wsf'])
    .describe('attachments that are not uploaded; a remark names them'),
});

const statusType = z.enum(['mail.sent', 'mail.failed', 'mail.expired', 'mail.cancelled', 'mail.bounced']);

const report = z.strictObject({
  template: code.describe('of the cards that mail belongs to'),
  internal: code.describe('worklog for agents'),
  comment: z
    .array(statusType)
    .default(['mail.failed', 'mail.expired', 'mail.bounced'])
    .describe('the ends that are written as a comment'),
  status: z
    .strictObject({ attribute: code, values: z.partialRecord(statusType, fixedValue) })
    .optional()
    .describe('an attribute that no mail rule of ESM listens to'),
});

export const connectorSchema = z.strictObject({
  incoming: z.array(incoming).max(100).default([]),
  report: z.array(report).max(20).default([]),
});

/** `$id` of the published schema. */
export const connectorSchemaName = 'urn:esm-mail-bridge:schema:esm-connector:1';

export type Connector = z.output<typeof connectorSchema>;
export type IncomingRule = Connector['incoming'][number];
export type ReportRule = Connector['report'][number];
export type FixedValue = z.output<typeof fixedValue>;

/** A fault of the mapping: where, and what to write instead. */
export interface MappingProblem {
  /** `incoming[0].attributes.subject`; empty for the whole. */
  readonly path: string;
  readonly detail: string;
}

export type ConnectorAnswer =
  | { readonly kind: 'ok'; readonly connector: Connector }
  | { readonly kind: 'problems'; readonly problems: readonly MappingProblem[] };

/** Reads one setting's JSON, already parsed. All problems at once. */
export function readConnector(value: unknown): ConnectorAnswer {
  const parsed = connectorSchema.safeParse(value);
  if (!parsed.success)
    return { kind: 'problems', problems: parsed.error.issues.flatMap((issue) => problemsOf(issue)) };
  const problems = checkConnector(parsed.data);
  return problems.length > 0 ? { kind: 'problems', problems } : { kind: 'ok', connector: parsed.data };
}

/** What the schema can't say: also across several settings that were put together. */
export function checkConnector({ incoming: rules, report: reports }: Connector): readonly MappingProblem[] {
  const problems: MappingProblem[] = [];
  const seen = new Map<string, string>();
  for (const [index, rule] of rules.entries()) {
    const path = `incoming[${index}]`;
    const needs = (isWrong: boolean, field: string, detail: string): void => {
      if (isWrong) problems.push({ path: `${path}.${field}`, detail });
    };
    const { attributes: mapped } = rule;
    needs(
      rule.deliverInto === 'worklog' && mapped.comments === undefined,
      'attributes.comments',
      'is missing; name the worklog that the requester sees, or write "deliverInto": "mail"',
    );
    needs(
      rule.deliverInto === 'mail' && mapped.raw === undefined,
      'attributes.raw',
      'is missing; name the attribute that takes .eml files, or write "deliverInto": "worklog"',
    );
    needs(
      mapped.person !== undefined && rule.persons.length === 0,
      'persons',
      'is empty, so that attributes.person is never filled; write [{"template":"person","attribute":"email"}]',
    );
    needs(
      mapped.internal === undefined && rule.stranger === 'comment',
      'attributes.internal',
      'is missing; comments of those who are no party go there, or write "stranger": "newCard"',
    );
    for (const [position, mailbox] of rule.mailboxes.entries()) {
      const key = mailbox.toLowerCase();
      const first = seen.get(key);
      needs(
        first !== undefined,
        `mailboxes[${position}]`,
        `is in ${first ?? ''} already; one mailbox has one rule: remove one`,
      );
      seen.set(key, path);
    }
  }
  for (const [index, { template }] of reports.entries()) {
    if (reports.findIndex((other) => other.template === template) < index)
      problems.push({ path: `report[${index}].template`, detail: 'is there twice; remove one' });
  }
  return problems;
}

function problemsOf(issue: z.core.$ZodIssue): readonly MappingProblem[] {
  const path = issue.path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      path: path === '' ? key : `${path}.${key}`,
      detail:
        'is not a field of the mapping; correct its name, or remove it (docs/schemas/esmConnector.json)',
    }));
  const isMissing = issue.code === 'invalid_type' && issue.input === undefined;
  return [
    {
      path,
      detail: isMissing
        ? 'is missing; docs/schemas/esmConnector.json says what to write'
        : `${issue.message.replace(/^Invalid input: /, '')}; docs/schemas/esmConnector.json says what fits`,
    },
  ];
}

function isPattern(text: string): boolean {
  try {
    return new RegExp(`${text}|`, 'u').exec('')?.length === 2;
  } catch {
    return false;
  }
}
