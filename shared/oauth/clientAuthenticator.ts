// The app's client authentication for the delegated flows, in the three forms that a setting can choose.
import { createPrivateKey, hash, webcrypto, X509Certificate } from 'node:crypto';
import * as oidc from 'openid-client';
import { noFederatedToken, federatedAssertion } from './azureCredentials.ts';
import type { SignInSettings } from '../config/settings.ts';
import type { ClientAuthenticator } from './tokenEndpoint.ts';

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** The authenticator that the settings chose. */
export function createClientAuthenticator({
  credential,
  tokenEndpoint,
}: SignInSettings): ClientAuthenticator {
  switch (credential.kind) {
    case 'secret': {
      const auth = oidc.ClientSecretPost(credential.secret);
      return () => Promise.resolve({ kind: 'auth', auth });
    }
    case 'managedIdentity': {
      const assertion = federatedAssertion(credential);
      return async () => {
        try {
          const token = await assertion();
          return { kind: 'auth', auth: withAssertion(token) };
        } catch {
          return { kind: 'unavailable', detail: noFederatedToken };
        }
      };
    }
    case 'certificate':
      return async () => {
        try {
          return { kind: 'auth', auth: await withCertificate(credential.pem, tokenEndpoint) };
        } catch {
          return {
            kind: 'configuration',
            detail:
              'The certificate could not be read: it must be PEM text with the certificate and its RSA private key (PKCS #8), without a password.',
          };
        }
      };
  }
}

/** RFC 7521 4.2: the federated token in place of a secret. */
function withAssertion(token: string): oidc.ClientAuth {
  return (_server, client, body) => {
    body.set('client_id', client.client_id);
    body.set('client_assertion_type', assertionType);
    body.set('client_assertion', token);
  };
}

/** Entra finds the certificate by the SHA-256 of its bytes in the assertion's header (x5t#S256). */
async function withCertificate(pem: string, tokenEndpoint: string): Promise<oidc.ClientAuth> {
  const certificate = new X509Certificate(pem);
  const thumbprint = hash('sha256', certificate.raw, 'base64url');
  const key = await webcrypto.subtle.importKey(
    'pkcs8',
    createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' }),
    { name: 'RSA-PSS', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  return oidc.PrivateKeyJwt(key, {
    [oidc.modifyAssertion]: (header, payload) => {
      header['x5t#S256'] = thumbprint;
      // Entra requires the token endpoint here; RFC 7523 also allows the issuer.
      payload['aud'] = tokenEndpoint;
    },
  });
}
