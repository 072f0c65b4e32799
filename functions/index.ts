// The package's `main`: importing a trigger file registers it, and does nothing else.
import './acceptMail.ts';
import './appTerminate.ts';
import './connectCallback.ts';
import './connectMailbox.ts';
import './exportOutbox.ts';
import './fetchMail.ts';
import './health.ts';
import './operatorApi.ts';
import './operatorPage.ts';
import './pruneOutbox.ts';
import './refreshTokens.ts';
import './runDoctor.ts';
import './sendMail.ts';
import './settlePoison.ts';
import './sweepOutbound.ts';
