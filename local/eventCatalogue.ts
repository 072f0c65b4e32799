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
  readonly detail: string;
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
      .flatMap((symbol) => eventFunctions(checker, symbol))
      .map((symbol) => readEvent(checker, symbol, basename(file, '.ts')));
  });
  return events.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function compilerOptions(root: string): ts.CompilerOptions {
  const path = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(path, (name) => readFileSync(name, 'utf8')) as { config: unknown };
  return { ...ts.parseJsonConfigFileContent(config, ts.sys, root).options, noEmit: true };
}

/** The symbol itself where it is a function that returns a LogEvent, else those of its properties that are. */
function eventFunctions(checker: ts.TypeChecker, symbol: ts.Symbol): readonly ts.Symbol[] {
  if (makesEvents(checker, symbol)) return [symbol];
  const { valueDeclaration } = symbol;
  if (valueDeclaration === undefined || !ts.isVariableDeclaration(valueDeclaration)) return [];
  return checker
    .getTypeOfSymbol(symbol)
    .getProperties()
    .filter((one) => makesEvents(checker, one));
}

function makesEvents(checker: ts.TypeChecker, symbol: ts.Symbol): boolean {
  const signature = checker.getTypeOfSymbol(symbol).getCallSignatures()[0];
  return signature !== undefined && checker.typeToString(signature.getReturnType()) === 'LogEvent';
}

function readEvent(checker: ts.TypeChecker, symbol: ts.Symbol, file: string): CatalogueEvent {
  const where = `${file}.${symbol.name}`;
  const { valueDeclaration } = symbol;
  if (valueDeclaration === undefined) throw new Error(`${where} has no declaration`);
  const made = madeBy(checker, valueDeclaration);
  const literal = returnedObject(made.body);
  if (literal === undefined) throw new Error(`${where} does not return one object literal`);
  const names = constants(checker, property(literal, 'name'), made.given);
  if (names.length !== 1 || names[0] === undefined)
    throw new Error(`${where}: its name is no single constant`);
  return {
    name: names[0],
    levels: constants(checker, property(literal, 'level'), made.given),
    fields: readFields(checker, symbol, property(literal, 'fields'), made.given.size > 0),
    detail: ts.displayPartsToString(symbol.getDocumentationComment(checker)).replace(/\s+/g, ' ').trim(),
    file,
  };
}

/** A function written out, or made by a helper of the file from constants: then the helper, and what it was given. */
function madeBy(
  checker: ts.TypeChecker,
  declaration: ts.Declaration,
): { readonly body: ts.Node; readonly given: ReadonlyMap<string, ts.Expression> } {
  const initializer =
    ts.isPropertyAssignment(declaration) || ts.isVariableDeclaration(declaration)
      ? declaration.initializer
      : undefined;
  if (initializer === undefined || !ts.isCallExpression(initializer)) {
    return { body: initializer ?? declaration, given: new Map() };
  }
  const helper = checker.getResolvedSignature(initializer)?.getDeclaration();
  if (helper === undefined) throw new Error(`${initializer.getText()} calls nothing that is known`);
  const given = helper.parameters.map((parameter, index): [string, ts.Expression | undefined] => [
    parameter.name.getText(),
    initializer.arguments[index],
  ]);
  return {
    body: helper,
    given: new Map(given.filter((one): one is [string, ts.Expression] => one[1] !== undefined)),
  };
}

/** The object that the function returns: of an arrow's body, or of its first return statement. */
function returnedObject(body: ts.Node): ts.ObjectLiteralExpression | undefined {
  let found: ts.ObjectLiteralExpression | undefined;
  const consider = (expression: ts.Expression | undefined): void => {
    let inner = expression;
    while (inner !== undefined && ts.isParenthesizedExpression(inner)) inner = inner.expression;
    if (inner !== undefined && ts.isObjectLiteralExpression(inner)) found = inner;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isReturnStatement(node)) consider(node.expression);
    else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) consider(node.body);
    if (found === undefined) ts.forEachChild(node, visit);
  };
  visit(body);
  return found;
}

function property(literal: ts.ObjectLiteralExpression, name: string): ts.Expression | undefined {
  for (const one of literal.properties) {
    if (ts.isPropertyAssignment(one) && one.name.getText() === name) return one.initializer;
    if (ts.isShorthandPropertyAssignment(one) && one.name.text === name) return one.name;
  }
  return undefined;
}

/** The string constants that an expression can be; `given` holds what a helper's parameters were. */
function constants(
  checker: ts.TypeChecker,
  expression: ts.Expression | undefined,
  given: ReadonlyMap<string, ts.Expression>,
): readonly string[] {
  if (expression === undefined) return [];
  if (ts.isStringLiteral(expression)) return [expression.text];
  if (ts.isIdentifier(expression)) {
    const passed = given.get(expression.text);
    if (passed !== undefined) return constants(checker, passed, new Map());
  }
  if (ts.isTemplateExpression(expression)) {
    return expression.templateSpans.reduce<readonly string[]>(
      (heads, span) =>
        heads.flatMap((head) =>
          constants(checker, span.expression, given).map((one) => `${head}${one}${span.literal.text}`),
        ),
      [expression.head.text],
    );
  }
  if (ts.isConditionalExpression(expression)) {
    return [
      ...constants(checker, expression.whenTrue, given),
      ...constants(checker, expression.whenFalse, given),
    ];
  }
  return branches(checker.getTypeAtLocation(expression))
    .map((one) => (one.isStringLiteral() ? one.value : undefined))
    .filter((one) => one !== undefined);
}

/** From the object's `fields`; of a function that a helper made, from the one thing that it is called with. */
function readFields(
  checker: ts.TypeChecker,
  symbol: ts.Symbol,
  expression: ts.Expression | undefined,
  madeByHelper: boolean,
): readonly CatalogueField[] {
  const parameter = checker.getTypeOfSymbol(symbol).getCallSignatures()[0]?.getParameters()[0];
  const type = madeByHelper
    ? parameter && checker.getTypeOfSymbol(parameter)
    : expression && checker.getTypeAtLocation(expression);
  if (type === undefined) return [];
  return checker.getPropertiesOfType(type).map((field) => {
    const all = branches(checker.getTypeOfSymbol(field));
    const named = all.filter((one) => (one.flags & ts.TypeFlags.Undefined) === 0);
    return {
      name: field.name,
      type: fieldType(named, field.name),
      optional: (field.flags & ts.SymbolFlags.Optional) !== 0 || named.length < all.length,
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
        `- \`${event.name}\` (${event.levels.join(' or ')})${event.detail === '' ? '' : `: ${event.detail}`}`,
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
