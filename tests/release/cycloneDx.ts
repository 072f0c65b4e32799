// The part of CycloneDX 1.6 that a bill of materials of packages uses, as a strict schema: everything not named here is
// refused, as the published schema does (additionalProperties: false).
// https://github.com/CycloneDX/specification/blob/master/schema/bom-1.6.schema.json (definitions component, hash,
// licenseChoice, dependency, refType). What that schema cannot say, its text does: a bom-ref is unique, and what
// depends names what is there.
import { z } from 'zod';

const ref = z.string().min(1);
const hash = z.strictObject({
  alg: z.enum([
    'MD5',
    'SHA-1',
    'SHA-256',
    'SHA-384',
    'SHA-512',
    'SHA3-256',
    'SHA3-384',
    'SHA3-512',
    'BLAKE2b-256',
    'BLAKE2b-384',
    'BLAKE2b-512',
    'BLAKE3',
  ]),
  content: z
    .string()
    .regex(/^([a-fA-F0-9]{32}|[a-fA-F0-9]{40}|[a-fA-F0-9]{64}|[a-fA-F0-9]{96}|[a-fA-F0-9]{128})$/),
});
/** The schema has the whole list of SPDX; ids are of this form. */
const licenseId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.+-]*$/);
const license = z.strictObject({
  license: z.union([z.strictObject({ id: licenseId }), z.strictObject({ name: z.string().min(1) })]),
});
/** Several licences, or exactly one expression. */
const licenseChoice = z.union([
  z.array(license),
  z.tuple([z.strictObject({ expression: z.string().min(1) })]),
]);

const component = z.strictObject({
  type: z.enum([
    'application',
    'framework',
    'library',
    'container',
    'platform',
    'operating-system',
    'device',
    'device-driver',
    'firmware',
    'file',
    'machine-learning-model',
    'data',
    'cryptographic-asset',
  ]),
  'bom-ref': ref,
  group: z.string().exactOptional(),
  name: z.string().min(1),
  version: z.string(),
  scope: z.enum(['required', 'optional', 'excluded']).exactOptional(),
  hashes: z.array(hash).exactOptional(),
  licenses: licenseChoice.exactOptional(),
  // https://github.com/package-url/purl-spec
  purl: z.string().regex(/^pkg:npm\/(?:%40[a-z0-9._~-]+\/)?[a-z0-9._~-]+@[0-9A-Za-z.+-]+$/i),
});

const bom = z.strictObject({
  $schema: z.literal('http://cyclonedx.org/schema/bom-1.6.schema.json').exactOptional(),
  bomFormat: z.literal('CycloneDX'),
  specVersion: z.literal('1.6'),
  serialNumber: z
    .string()
    .regex(/^urn:uuid:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/)
    .exactOptional(),
  version: z.int().min(1),
  metadata: z.strictObject({ component }),
  components: z.array(component),
  dependencies: z.array(z.strictObject({ ref, dependsOn: z.array(ref).exactOptional() })),
});

/** What is wrong with the document; empty for a good one. */
export function bomProblems(document: unknown): readonly string[] {
  const read = bom.safeParse(document);
  if (!read.success)
    return read.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`);
  const { metadata, components, dependencies } = read.data;
  const refs = [metadata.component, ...components].map((one) => one['bom-ref']);
  const twice = refs.filter((one, at) => refs.indexOf(one) !== at);
  const named = dependencies.flatMap(({ ref: from, dependsOn = [] }) => [from, ...dependsOn]);
  return [
    ...twice.map((one) => `bom-ref ${one} is there twice`),
    ...named.filter((one) => !refs.includes(one)).map((one) => `${one} is no component`),
    ...dependencies
      .filter(({ dependsOn = [] }) => new Set(dependsOn).size !== dependsOn.length)
      .map(({ ref: from }) => `${from} depends on one twice`),
  ];
}
