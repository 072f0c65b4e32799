// The software bill of materials, CycloneDX 1.6 as JSON: the packages that the bundle contains, not all that is installed.
// It holds no time and no random serial number, so that the same source gives the same bytes (the specification makes
// both optional). https://cyclonedx.org/docs/1.6/json/
import type { LockedPackage } from './bundledPackages.ts';

/** What is released: name, version and licence of package.json, and the SHA-256 (hex) of dist.zip. */
export interface Released {
  readonly name: string;
  readonly version: string;
  readonly license: string;
  readonly sha256: string;
}

/** The document as text, with a final line break. */
export function sbom(
  { name, version, license, sha256 }: Released,
  packages: readonly LockedPackage[],
): string {
  const ref = purl(name, version);
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      component: {
        type: 'application',
        'bom-ref': ref,
        name,
        version,
        hashes: [{ alg: 'SHA-256', content: sha256 }],
        licenses: licenses(license),
        purl: ref,
      },
    },
    components: packages.map((one) => ({
      type: 'library',
      'bom-ref': purl(one.name, one.version),
      ...grouped(one.name),
      version: one.version,
      scope: 'required',
      ...(one.integrity === undefined ? {} : { hashes: [hash(one.integrity)] }),
      ...(one.license === undefined ? {} : { licenses: licenses(one.license) }),
      purl: purl(one.name, one.version),
    })),
    dependencies: [{ ref, dependsOn: packages.map((one) => purl(one.name, one.version)) }],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

/** https://github.com/package-url/purl-spec: the scope's @ is encoded. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function grouped(name: string): { readonly group?: string; readonly name: string } {
  const slash = name.indexOf('/');
  return slash === -1 ? { name } : { group: name.slice(0, slash), name: name.slice(slash + 1) };
}

/** A licence id, or an expression of several. */
function licenses(license: string): readonly object[] {
  return /\s/.test(license) ? [{ expression: license }] : [{ license: { id: license } }];
}

function hash(integrity: string): { readonly alg: string; readonly content: string } {
  const [, bits = '', digest = ''] = /^sha(512|384|256|1)-([A-Za-z0-9+/=]+)$/.exec(integrity) ?? [];
  if (digest === '') throw new Error(`The lockfile has an integrity that is no SHA: ${integrity}`);
  return { alg: `SHA-${bits}`, content: Buffer.from(digest, 'base64').toString('hex') };
}
