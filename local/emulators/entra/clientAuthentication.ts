// How the emulator knows an app: a secret, a certificate's assertion, or another identity's token as the app's
// federated credential (issuer, subject and audience compared exactly, as Entra has done since 2025).
import { X509Certificate, createHash } from 'node:crypto';
import { decodeProtectedHeader, errors, jwtVerify } from 'jose';
import type { EntraApp } from './directory.ts';
import { Refused } from './refusals.ts';
import { claimsOf } from './tokens.ts';
import type { TokenSigner } from './tokens.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Entra's tolerance for the app's clock. */
const clockToleranceSeconds = 300;
const tokenExchangeAudience = 'api://AzureADTokenExchange';

export interface AuthenticationContext {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly signer: TokenSigner;
  readonly now: number;
}

/** Returns when the request proves that it comes from the app; throws Refused. */
export async function authenticateApp(
  app: EntraApp,
  form: URLSearchParams,
  context: AuthenticationContext,
): Promise<void> {
  const secret = form.get('client_secret');
  const assertion = form.get('client_assertion');
  if (app.publicClient === true) {
    if (secret !== null || assertion !== null) throw new Refused(700025);
    return;
  }
  if (assertion !== null) {
    if (form.get('client_assertion_type') !== assertionType) throw new Refused(900144);
    await checkAssertion(app, assertion, context);
    return;
  }
  if (secret === null) throw new Refused(7000218);
  const known = app.secrets?.find(({ value }) => value === secret);
  if (known === undefined) throw new Refused(7000215);
  if (known.expiresAt !== undefined && known.expiresAt <= context.now) throw new Refused(7000222);
}

async function checkAssertion(
  app: EntraApp,
  assertion: string,
  context: AuthenticationContext,
): Promise<void> {
  const claims = claimsOf(assertion);
  if (claims === undefined) throw new Refused(50012);
  if (claims.iss === app.clientId) {
    await checkCertificate(app, assertion, context);
    return;
  }
  const ofIssuer = (app.federated ?? []).filter(({ issuer }) => (issuer ?? context.issuer) === claims.iss);
  if (ofIssuer.length === 0) throw new Refused(700211);
  if (!ofIssuer.some(({ subject }) => subject === claims.sub)) throw new Refused(700213);
  if (claims.aud !== tokenExchangeAudience) throw new Refused(700212);
  try {
    await context.signer.verify(assertion, [tokenExchangeAudience]);
  } catch (error) {
    throw new Refused(error instanceof errors.JWTExpired ? 700024 : 700027);
  }
}

async function checkCertificate(
  app: EntraApp,
  assertion: string,
  context: AuthenticationContext,
): Promise<void> {
  const header = decodeProtectedHeader(assertion);
  const certificate = (app.certificates ?? [])
    .map((pem) => new X509Certificate(pem))
    .find(({ raw }) => {
      const print = (hash: string): string => createHash(hash).update(raw).digest('base64url');
      return print('sha256') === header['x5t#S256'] || print('sha1') === header.x5t;
    });
  if (certificate === undefined) throw new Refused(700027);
  try {
    await jwtVerify(assertion, certificate.publicKey, {
      algorithms: ['PS256', 'RS256'],
      currentDate: new Date(context.now),
      clockTolerance: clockToleranceSeconds,
      issuer: app.clientId,
      subject: app.clientId,
      audience: context.tokenEndpoint,
      requiredClaims: ['exp', 'jti'],
    });
  } catch (error) {
    throw new Refused(error instanceof errors.JWTExpired ? 700024 : 700027);
  }
}
