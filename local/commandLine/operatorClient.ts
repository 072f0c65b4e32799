// The operator API, for the commands: of the running `npm start`, or of a deployed bridge with the caller's own Azure login.
// What the login asks for is made of the address alone, so that a foreign host never gets a token for anything but itself.
import { AzureCliCredential, DefaultAzureCredential, type TokenCredential } from '@azure/identity';
import { memberOf, messageOf, parseJson, textIn } from '../../shared/mail/foreign.ts';
import { readRunning, runningSettingsFile } from '../stack/runningStack.ts';

const requestMs = 150_000;
const loginMs = 60_000;

export interface OperatorClient {
  /** `path` under /api/ops/v1. Throws with the problem's detail and remedy. */
  get(path: string): Promise<unknown>;
  post(path: string, body: object): Promise<unknown>;
}

/** The address of --app: https, a host, and nothing else. Throws. */
export function appAddress(text: string): URL {
  const url = URL.parse(text);
  if (
    url?.protocol !== 'https:' ||
    url.pathname !== '/' ||
    url.search !== '' ||
    url.username !== '' ||
    url.hash !== ''
  )
    throw new Error(
      `--app is the app’s address alone, such as https://NAME.azurewebsites.net; ${JSON.stringify(text)} is not.`,
    );
  return url;
}

/** Which bridge a command is about. */
export interface WhichBridge {
  /** A deployed one, by its address; the running `npm start` unless given. */
  readonly app?: string | undefined;
  /** Of a stack that was started with it. */
  readonly 'settings-file'?: string | undefined;
}

interface Access {
  readonly url: URL;
  readonly login: () => Promise<string>;
  /** What to do if it does not answer. */
  readonly remedy: string;
}

/** Logs in at the first request. Throws if neither an app is named nor a stack runs. */
export function openOperator(which: WhichBridge): OperatorClient {
  const { url, login, remedy } = which.app === undefined ? ofStack(which) : ofApp(which.app);
  let token: Promise<string> | undefined;
  const ask = async (method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> => {
    token ??= login();
    const response = await fetch(new URL(`/api/ops/v1/${path}`, url), {
      method,
      headers: {
        authorization: `Bearer ${await token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The token is for this host and no other.
      redirect: 'error',
      signal: AbortSignal.timeout(requestMs),
    }).catch((error: unknown) => {
      throw new Error(`${url.origin} does not answer: ${causeOf(error)}. ${remedy}`);
    });
    const parsed = parseJson(await response.text());
    if (response.ok && typeof parsed === 'object' && parsed !== null) return parsed;
    throw new Error(problemText(url.origin, response.status, parsed));
  };
  return { get: (path) => ask('GET', path), post: (path, body) => ask('POST', path, body) };
}

function ofApp(app: string): Access {
  const url = appAddress(app);
  return {
    url,
    login: () => accessToken(`api://${url.hostname}/.default`),
    remedy: `Check the address, and that the app runs (${url.origin}/api/health).`,
  };
}

function ofStack({ 'settings-file': file = runningSettingsFile }: WhichBridge): Access {
  const running = readRunning(file);
  const url = URL.parse(running?.['LOCAL_APP_URL'] ?? '');
  const key = running?.['LOCAL_KEY'];
  if (url === null || key === undefined)
    throw new Error(
      'Which bridge? Start the local stack with `npm start`, or name a deployed one: --app https://NAME.azurewebsites.net',
    );
  return {
    url,
    login: () => Promise.resolve(key),
    remedy: 'The local stack no longer runs: start it again with `npm start`.',
  };
}

/** `fetch failed` says nothing; its cause does. */
const causeOf = (error: unknown): string => messageOf(memberOf(error, 'cause') ?? error);

function problemText(origin: string, status: number, problem: unknown): string {
  const detail = textIn(problem, 'detail');
  if (detail === '')
    return `${origin} answered ${String(status)}, and not as the operator API does. Is it the bridge’s address?`;
  const faults = memberOf(problem, 'problems');
  const listed = Array.isArray(faults)
    ? faults.map((one) => `\n  ${textIn(one, 'field')}: ${textIn(one, 'detail')}`).join('')
    : '';
  return `${detail}${listed}\n${textIn(problem, 'remedy')}`;
}

async function accessToken(scope: string): Promise<string> {
  const failures: string[] = [];
  const credentials: readonly (() => TokenCredential)[] = [
    () => new AzureCliCredential({ processTimeoutInMs: loginMs }),
    () => new DefaultAzureCredential(),
  ];
  for (const create of credentials) {
    try {
      const answer = await create().getToken(scope, { requestOptions: { timeout: loginMs } });
      if (answer !== null) return answer.token;
    } catch (error) {
      failures.push(messageOf(error));
    }
  }
  throw new Error(
    `${loginRemedy(failures[0] ?? '', scope)}\nThe Azure CLI said: ${failures[0] ?? 'nothing'}`,
  );
}

/** The causes of a refused login differ, and so do their remedies. */
export function loginRemedy(complaint: string, scope: string): string {
  if (complaint.includes('AADSTS65001'))
    return 'The Azure CLI may not ask for tokens of this app: deploy its registration again (infra/entra.bicep), which allows it.';
  if (complaint.includes('AADSTS500011'))
    return 'The tenant that you are logged in to does not know this app: az login --tenant TENANT, with the app’s tenant.';
  if (/not installed|could not be found|ENOENT/i.test(complaint))
    return 'No Azure login: install the Azure CLI, then az login.';
  return `No Azure login, or it needs to be renewed: az login --scope ${scope}`;
}
