// Folder names as people of each language see them, and as IMAP carries them (modified UTF-7, RFC 3501 5.1.3).
// Exchange Online has no SPECIAL-USE: these names are the only way to find the Sent Items folder.
import type { Language } from './accounts.ts';

export type FolderRole = 'inbox' | 'sent' | 'drafts' | 'deleted' | 'junk' | 'archive';

export const folderNames: Readonly<Record<Language, Readonly<Record<FolderRole, string>>>> = {
  en: {
    inbox: 'INBOX',
    sent: 'Sent Items',
    drafts: 'Drafts',
    deleted: 'Deleted Items',
    junk: 'Junk Email',
    archive: 'Archive',
  },
  fi: {
    inbox: 'INBOX',
    sent: 'Lähetetyt',
    drafts: 'Luonnokset',
    deleted: 'Poistetut',
    junk: 'Roskaposti',
    archive: 'Arkisto',
  },
  sv: {
    inbox: 'INBOX',
    sent: 'Skickat',
    drafts: 'Utkast',
    deleted: 'Borttaget',
    junk: 'Skräppost',
    archive: 'Arkiv',
  },
};

/** `Lähetetyt` → `L&AOQ-hetetyt`. */
export function encodeFolderName(name: string): string {
  return name.replace(/&|[^\x20-\x7e]+/g, (run) => {
    if (run === '&') return '&-';
    const utf16 = Buffer.from(run, 'utf16le').swap16();
    return `&${utf16.toString('base64').replace(/=+$/, '').replace(/\//g, ',')}-`;
  });
}

/** `L&AOQ-hetetyt` → `Lähetetyt`; an invalid code is left unchanged. */
export function decodeFolderName(name: string): string {
  return name.replace(/&([A-Za-z0-9+,]*)-/g, (whole, code: string) => {
    if (code === '') return '&';
    const bytes = Buffer.from(code.replace(/,/g, '/'), 'base64');
    return bytes.length % 2 === 0 ? bytes.swap16().toString('utf16le') : whole;
  });
}
