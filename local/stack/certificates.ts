// The certificates of the local emulators: an authority made at start and one leaf for this machine, never
// written with a longer life than a day's work needs. Clients trust the authority (NODE_EXTRA_CA_CERTS or
// tls options), so that TLS is checked locally exactly as it is against Exchange Online.
import { webcrypto } from 'node:crypto';

const dayMs = 86_400_000;
const validDays = 30;
const keyAlgorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

export interface Certificates {
  /** The authority, PEM: what clients trust. */
  readonly ca: string;
  /** The leaf for localhost, 127.0.0.1 and ::1, PEM. */
  readonly cert: string;
  /** The leaf's private key, PKCS #8 PEM. */
  readonly key: string;
}

/** Makes a new authority and a leaf signed by it, both valid from an hour ago for 30 days. */
export async function makeCertificates(): Promise<Certificates> {
  const x509 = await certificateLibrary();
  const notBefore = new Date(Date.now() - dayMs / 24);
  const notAfter = new Date(Date.now() + validDays * dayMs);
  const authorityKeys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Local emulators authority',
    notBefore,
    notAfter,
    signingAlgorithm: keyAlgorithm,
    keys: authorityKeys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(authorityKeys.publicKey),
    ],
  });
  const leafKeys = await webcrypto.subtle.generateKey(keyAlgorithm, true, ['sign', 'verify']);
  const leaf = await x509.X509CertificateGenerator.create({
    subject: 'CN=localhost',
    issuer: authority.subject,
    notBefore,
    notAfter,
    signingAlgorithm: keyAlgorithm,
    publicKey: leafKeys.publicKey,
    signingKey: authorityKeys.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
        { type: 'ip', value: '::1' },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(authorityKeys.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(leafKeys.publicKey),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', leafKeys.privateKey);
  return {
    ca: authority.toString('pem'),
    cert: leaf.toString('pem'),
    key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}

/** A self-signed certificate and its key, as an app registration takes it for client assertions (RSA 2048). */
export async function makeAppCertificate(notAfter: Date): Promise<{
  /** The certificate alone: what is uploaded to the registration. */
  readonly certificate: string;
  /** Certificate and private key: what the app keeps. */
  readonly pem: string;
}> {
  const x509 = await certificateLibrary();
  const algorithm = {
    name: 'RSASSA-PKCS1-v1_5',
    hash: 'SHA-256',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
  };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=Local app',
    notBefore: new Date(Date.now() - dayMs),
    notAfter,
    signingAlgorithm: algorithm,
    keys,
  });
  const key = x509.PemConverter.encode(
    await webcrypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  return { certificate: certificate.toString('pem'), pem: `${certificate.toString('pem')}\n${key}\n` };
}

/** Loaded late because it looks for the metadata functions while it loads. */
async function certificateLibrary(): Promise<typeof import('@peculiar/x509')> {
  provideReflectMetadata();
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto);
  return x509;
}

/**
 * The certificate library finds its parts through decorators' metadata and refuses to load without the four
 * functions below, which no engine has yet. A map of maps is all it needs; a real polyfill is left in place.
 */
function provideReflectMetadata(): void {
  if ('getMetadata' in Reflect) return;
  const byTarget = new WeakMap<object, Map<unknown, unknown>>();
  const define = (key: unknown, value: unknown, target: object): void => {
    const known = byTarget.get(target) ?? new Map<unknown, unknown>();
    byTarget.set(target, known.set(key, value));
  };
  const own = (key: unknown, target: object): unknown => byTarget.get(target)?.get(key);
  const inherited = (key: unknown, target: object): unknown => {
    for (let at: object | null = target; at !== null; at = Reflect.getPrototypeOf(at)) {
      if (byTarget.get(at)?.has(key) === true) return own(key, at);
    }
    return undefined;
  };
  Object.assign(Reflect, {
    defineMetadata: define,
    getOwnMetadata: own,
    getMetadata: inherited,
    metadata: (key: unknown, value: unknown) => (target: object) => {
      define(key, value, target);
    },
  });
}
