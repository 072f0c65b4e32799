// Whether a message continues a thread of its own writer: a monitoring system refers to its earlier alerts, an answer
// refers to somebody else's message.
import { field, fieldsNamed, threadOf, type HeaderField } from '../mail/headers.ts';
import { addressOf } from './origin.ts';

/** Every id that In-Reply-To and References name was made where this message or its sender is at home. */
export function continuesOwnThread(mail: { readonly fields: readonly HeaderField[] }): boolean {
  const { messageId, inReplyTo, references } = threadOf(mail);
  const ids = [...inReplyTo, ...references];
  const own = hostOf(messageId);
  const from = organisation(addressOf(fieldsNamed(mail, 'from').join(' ')).split('@').at(-1) ?? '');
  return (
    ids.length > 0 &&
    ids.every((id) => {
      const host = hostOf(id);
      // Exchange Online makes the ids of all its customers.
      const shared = host.endsWith('.outlook.com') || field(mail, 'x-ms-exchange-inbox-rules-loop') !== '';
      return (own !== '' && host === own) || (!shared && from !== '' && organisation(host) === from);
    })
  );
}

function hostOf(id: string): string {
  return id.slice(id.lastIndexOf('@') + 1, -1).toLowerCase();
}

/** `monitor.example.com` and `mx.example.com` are of one organisation; so are names under `co.uk` and its kin. */
function organisation(host: string): string {
  const labels = host.split('.');
  const second = labels.at(-2) ?? '';
  return labels
    .slice(labels.length > 2 && second.length <= 3 && (labels.at(-1) ?? '').length === 2 ? -3 : -2)
    .join('.');
}
