// The package's `main`: importing a trigger file registers it, and does nothing else.
import { eventsTo } from '../shared/loadBridge.ts';
import './acceptMail.ts';
import './acknowledgeEvents.ts';
import './acknowledgeNotices.ts';
import './appTerminate.ts';
import './cancelSubmission.ts';
import './connectCallback.ts';
import './connectMailbox.ts';
import './createUpload.ts';
import './exportOutbox.ts';
import './fetchMail.ts';
import './health.ts';
import './heartbeat.ts';
import './listMailboxes.ts';
import './operatorApi.ts';
import './operatorPage.ts';
import './pruneOutbox.ts';
import './readContent.ts';
import './readEvents.ts';
import './readNotices.ts';
import './readSubmission.ts';
import './refreshTokens.ts';
import './reportIntake.ts';
import './reportIntakeFailure.ts';
import './runDoctor.ts';
import './sendMail.ts';
import './settlePoison.ts';
import './submitMail.ts';
import './sweepOutbound.ts';

// The two queues have one consumer: their triggers are registered only if that is the connector.
if (eventsTo() === 'esm') {
  await import('./deliverToEsm.ts');
  await import('./reportToEsm.ts');
}
