// The catalogue of events, read from its source: one function per event in shared/telemetry/*Events.ts, each
// returning a LogEvent. The page in docs/ and the columns that infra/'s queries may use are made from it, so a
// query can't name an event or a field that nobody writes.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import ts from 'typescript';

export type FieldType = 'string' | 'number' | 'boolean';

export interface CatalogueField {
  readonly name: string;
  readonly type: FieldType;
  readonly optional: boolean;
}

export interface CatalogueEvent {
  /** `room.whatHappened`. */
  readonly name: string;
  /** One level, or several where the event chooses. */
  readonly levels: readonly string[];
  readonly fields: readonly CatalogueField[];
  /** The function's own comment, on one line. */
  readonly words: string;
  /** The file's name, without `.ts`. */
  readonly file: string;
}

/** Every event of the catalogue, by name. Throws where a function's event can't be read from its source. */
export function readCatalogue(root: string): readonly CatalogueEvent[] {
  const folder = join(root, 'shared', 'telemetry');
  const files = readdirSync(folder)
    .filter((name) => name.endsWith('Events.ts'))
    .map((name) => join(folder, name));
  const program = ts.createProgram(files, compilerOptions(root));
  const checker = program.getTypeChecker();
  const events = files.flatMap((file) => {
    const source = program.getSourceFile(file);
    const exported = source === undefined ? undefined : checker.getSymbolAtLocation(source);
    if (exported === undefined) throw new Error(`${basename(file)} is not a module`);
    return checker
      .getExportsOfModule(exported)
      .map((symbol) => readEvent(checker, symbol, basename(file, '.ts')))
      .filter((event) => event !== undefined);
  });
  return events.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function compilerOptions(root: string): ts.CompilerOptions {
  const path = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => readFileSync(name, 'utf8')) as { config: unknown };
  return { ...ts.parseJsonConfigFileContent(config, ts.sys, root).options, noEmit: true };
}

function readEvent(checker: ts.TypeChecker, symbol: ts.Symbol, file: string): CatalogueEvent | undefined {
  const declaration = symbol.valueDeclaration;
  if (declaration === undefined) return undefined; // a type
  const signature = checker.getTypeOfSymbolAtLocation(symbol, declaration).getCallSignatures()[0];
  if (signature === undefined) return undefined; // a constant
  if (checker.typeToString(signature.getReturnType()) !== 'LogEvent') return undefined; // a helper
  const literal = returnedObject(signature.getDeclaration());
  if (literal === undefined) throw new Error(`${file}.${symbol.name} does not return one object literal`);
  const name = constants(checker, property(literal, 'name'));
  if (name.length !== 1 || name[0] === undefined) {
    throw new Error(`${file}.${symbol.name}: the event's name is no single constant`);
  }
  const fields = property(literal, 'fields');
  return {
    name: name[0],
    levels: constants(checker, property(literal, 'level')),
    fields: fields === undefined ? [] : readFields(checker, fields),
    words: ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, ' ').trim(),
    file,
  };
}

/** The object that the function returns: of an arrow's body, or of its last return statement. */
function returnedObject(declaration: ts.Declaration): ts.ObjectLiteralExpression | undefined {
  let found: ts.ObjectLiteralExpression | undefined;
  const consider = (expression: ts.Expression | undefined): void => {
    let inner = expression;
    while (inner !== undefined && ts.isParenthesizedExpression(inner)) inner = inner.expression;
    if (inner !== undefined && ts.isObjectLiteralExpression(inner)) found = inner;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isReturnStatement(node)) consider(node.expression);
    else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) consider(node.body);
    else ts.forEachChild(node, visit);
  };
  visit(declaration);
  return found;
}

function property(literal: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
  for (const one of literal.properties) {
    if (ts.isPropertyAssignment(one) && one.name.getText() === name) return one.initializer;
    if (ts.isShorthandPropertyAssignment(one) && one.name.text === name) return one.name;
  }
  return undefined;
}

/** The string constants that an expression can be. */
function constants(checker: ts.TypeChecker, expression: ts.Expression | undefined): readonly string[] {
  if (expression === undefined) return [];
  if (ts.isStringLiteral(expression)) return [expression.text];
  if (ts.isConditionalExpression(expression)) {
    return [...constants(checker, expression.whenTrue), ...constants(checker, expression.whenFalse)];
  }
  return branches(checker.getTypeAtLocation(expression))
    .map((one) => (one.isStringLiteral() ? one.value : undefined))
    .filter((one) => one !== undefined);
}

function readFields(checker: ts.TypeChecker, expression: ts.Expression): readonly CatalogueField[] {
  const type = checker.getTypeAtLocation(expression);
  return checker.getPropertiesOfType(type).map((field) => {
    const branchesOfField = branches(checker.getTypeOfSymbolAtLocation(field, expression));
    const named = branchesOfField.filter((one) => (one.flags & ts.TypeFlags.Undefined) === 0);
    return {
      name: field.name,
      type: fieldType(named, field.name),
      optional: (field.flags & ts.SymbolFlags.Optional) !== 0 || named.length < branchesOfField.length,
    };
  });
}

function branches(type: ts.Type): readonly ts.Type[] {
  return type.isUnion() ? type.types : [type];
}

function fieldType(types: readonly ts.Type[], name: string): FieldType {
  const like = (flag: ts.TypeFlags): boolean =>
    types.length > 0 && types.every((one) => (one.flags & flag) !== 0);
  if (like(ts.TypeFlags.StringLike)) return 'string';
  if (like(ts.TypeFlags.NumberLike)) return 'number';
  if (like(ts.TypeFlags.BooleanLike)) return 'boolean';
  throw new Error(`The field "${name}" of an event is neither text, number nor truth value`);
}

/** docs/events.md, whole. */
export function eventsPage(events: readonly CatalogueEvent[]): string {
  const lines = [
    '# What the bridge says in its log',
    '',
    'Made from the catalogue (`shared/telemetry/`) by `npm run events`; a test compares the two.',
    '',
    'Each event is one line of JSON, `{"event": <name>, …fields}`, written through the invocation, so it carries',
    'the invocation’s id as its operation id. In Log Analytics it is a row of `AppTraces`; the queries of `infra/` read',
    'each event as a table of its own, named with `_` for the dot. `?` marks a field that may be missing.',
    '',
  ];
  const files = [...new Set(events.map((event) => event.file))].sort();
  for (const file of files) {
    lines.push(`## ${file.replace(/Events$/, '')}`, '');
    for (const event of events.filter((one) => one.file === file)) {
      const fields = event.fields.map(
        (field) => `\`${field.name}\`${field.optional ? '?' : ''} ${field.type}`,
      );
      lines.push(
        `- \`${event.name}\` (${event.levels.join(' or ')})${event.words === '' ? '' : `: ${event.words}`}`,
        `  ${fields.length === 0 ? 'No fields.' : `Fields: ${fields.join(', ')}.`}`,
      );
    }
    lines.push('');
  }
  return lines.join('\n');
}

/** infra/events.json, whole: for each event its fields with the KQL function that reads them. */
export function eventsForQueries(events: readonly CatalogueEvent[]): string {
  const readers: Record<FieldType, string> = { string: 'tostring', number: 'todouble', boolean: 'tobool' };
  const entries = events.map((event) => [
    event.name,
    Object.fromEntries(event.fields.map((field) => [field.name, readers[field.type]])),
  ]);
  return `${JSON.stringify(Object.fromEntries(entries), undefined, 2)}\n`;
}
