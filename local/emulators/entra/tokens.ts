// Signs what the authority issues, and checks what Exchange Online and Key Vault are shown.
import { randomUUID } from 'node:crypto';
import { SignJWT, createLocalJWKSet, decodeJwt, errors, exportJWK, generateKeyPair, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload } from 'jose';
import type { Clock } from '../../../shared/clock.ts';
import { outlookAudiences } from './directory.ts';

/** What a bearer token turned out to be, for the server that was shown it. */
export type TokenCheck =
  | {
      readonly kind: 'ok';
      /** Delegated: a person's; application: the app's own. */
      readonly way: 'delegated' | 'application';
      /** Delegated only: who signed in. */
      readonly user?: string;
      readonly objectId: string;
      readonly appId: string;
      /** Delegated permission names, `IMAP.AccessAsUser.All`. */
      readonly scopes: readonly string[];
      /** Application permission names, `SMTP.SendAsApp`. */
      readonly roles: readonly string[];
      readonly expiresAt: number;
    }
  | { readonly kind: 'bad'; readonly why: 'malformed' | 'signature' | 'expired' | 'audience' | 'tenant' };

export interface TokenSigner {
  readonly jwks: JSONWebKeySet;
  sign(claims: JWTPayload, livesMs: number): Promise<string>;
  /** Checks signature and time; throws jose's errors. */
  verify(token: string, audiences: readonly string[]): Promise<JWTPayload>;
  check(token: string, tenant: string): Promise<TokenCheck>;
}

const exchangeAppId = '00000002-0000-0ff1-ce00-000000000000';

export async function createTokenSigner(clock: Clock): Promise<TokenSigner> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { modulusLength: 2048 });
  const kid = randomUUID();
  const jwks: JSONWebKeySet = {
    keys: [{ ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'RS256' }],
  };
  const keySet = createLocalJWKSet(jwks);
  const verify = async (token: string, audiences: readonly string[]): Promise<JWTPayload> => {
    const { payload } = await jwtVerify(token, keySet, {
      algorithms: ['RS256'],
      currentDate: new Date(clock.now()),
      audience: [...audiences],
    });
    return payload;
  };
  return {
    jwks,
    verify,
    sign(claims, livesMs) {
      const issuedAt = Math.floor(clock.now() / 1000);
      return new SignJWT({
        ...claims,
        iat: issuedAt,
        nbf: issuedAt - 300,
        exp: issuedAt + Math.floor(livesMs / 1000),
        uti: randomUUID(),
      })
        .setProtectedHeader({ alg: 'RS256', kid, typ: 'JWT' })
        .sign(privateKey);
    },
    async check(token, tenant) {
      let claims: JWTPayload;
      try {
        claims = await verify(token, [...outlookAudiences.values(), exchangeAppId]);
      } catch (error) {
        return { kind: 'bad', why: whyBad(error) };
      }
      if (claims['tid'] !== tenant) return { kind: 'bad', why: 'tenant' };
      const splitClaim = (claim: unknown): readonly string[] =>
        typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim.map(String) : [];
      const application = claims['idtyp'] === 'app';
      return {
        kind: 'ok',
        way: application ? 'application' : 'delegated',
        ...(application ? {} : { user: String(claims['upn']) }),
        objectId: String(claims['oid']),
        appId: String(claims['appid']),
        scopes: splitClaim(claims['scp']),
        roles: splitClaim(claims['roles']),
        expiresAt: (claims.exp ?? 0) * 1000,
      };
    },
  };
}

/** The claims of a token without any check: for answers that name what was wrong. */
export function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function whyBad(error: unknown): 'malformed' | 'signature' | 'expired' | 'audience' {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return 'audience';
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) {
    return 'signature';
  }
  return 'malformed';
}
