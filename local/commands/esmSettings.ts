// npm run esm-settings: ESM's four platform settings, for an ESM that signs in to Exchange Online by itself with the
// same app registration. They are derived from this bridge's settings.
import { writeEsmSettings } from '../../shared/config/esmSettings.ts';
import { commandSettings } from '../commandLine/commandSettings.ts';

try {
  const { signIn } = commandSettings();
  console.log(`In ESM: administration view → Platform Settings → Mail Settings.

${writeEsmSettings(signIn)}

Before you paste them:

- ESM’s own redirect address must be registered beside the bridge’s: Entra admin center → App registrations →
  the app ${signIn.clientId} → Authentication → Web. ESM’s documentation names it; without it ESM’s sign-in
  ends in AADSTS50011.
- ESM authenticates to Entra in its own way. If it needs a client secret, create one for ESM alone (Certificates &
  secrets); the bridge needs none.
- Two programs then share one mailbox’s limits: 30 messages a minute, 10,000 recipients in 24 hours and 3
  connections, counted by Exchange for both together. The bridge cannot see what ESM sends: lower "limits" of the
  mailbox in MAILBOXES by ESM’s part, or let only one of the two send ("send": false) and only one fetch
  ("receive": false).`);
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
