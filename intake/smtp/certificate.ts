// The certificate of the listeners: read from its files, checked, and read again when a renewal replaces them.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorCode } from '../errorCode.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Of the first certificate in the file. UTC milliseconds. */
  readonly endsAt: number;
}

export type CertificateAnswer =
  | { readonly kind: 'ok'; readonly certificate: Certificate }
  /** A sentence with a remedy. */
  | { readonly kind: 'trouble'; readonly detail: string };

export async function readCertificate(files: {
  readonly certFile: string;
  readonly keyFile: string;
}): Promise<CertificateAnswer> {
  let cert: string;
  let key: string;
  try {
    [cert, key] = await Promise.all([readFile(files.certFile, 'utf8'), readFile(files.keyFile, 'utf8')]);
  } catch (error) {
    const paths = `${files.certFile} or ${files.keyFile}`;
    return trouble(`${paths} can't be read (${errorCode(error)}); check the paths and their rights.`);
  }
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    return trouble(
      `${files.certFile} holds no certificate in PEM form; write the certificate and its chain there.`,
    );
  }
  try {
    if (!leaf.checkPrivateKey(createPrivateKey(key))) {
      return trouble(`The key in ${files.keyFile} does not belong to the certificate in ${files.certFile}.`);
    }
  } catch {
    return trouble(`${files.keyFile} holds no private key in PEM form without a passphrase.`);
  }
  return { kind: 'ok', certificate: { cert, key, endsAt: Date.parse(leaf.validTo) } };
}

/** Whole days until the end; negative after it. */
export function daysLeft(certificate: Certificate, nowMs: number): number {
  return Math.floor((certificate.endsAt - nowMs) / 86_400_000);
}

function trouble(detail: string): CertificateAnswer {
  return { kind: 'trouble', detail };
}
