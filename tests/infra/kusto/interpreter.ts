// Runs a query on rows: exactly the operators and functions that the alerts use, over Kusto's own parser. Anything else is
// an error that names it, so that no query passes a test for want of an interpreter. Semantics as Kusto documents them:
// null compares as false, min, max and arg_max leave nulls out, `has` looks for a whole term without regard to case.
import { createRequire } from 'node:module';

export type Value = string | number | boolean | null | Readonly<Record<string, unknown>>;
export type Row = Readonly<Record<string, Value>>;

interface Node {
  readonly Kind: number;
  readonly ChildCount: number;
  GetChild(index: number): Node | null;
  toString(trivia: number): string;
}

interface Scope {
  readonly tables: ReadonlyMap<string, readonly Row[]>;
  readonly scalars: ReadonlyMap<string, Value>;
  /** UTC ms. Times are numbers of ms throughout. */
  readonly now: number;
}

interface Kusto {
  readonly Language: {
    readonly KustoCode: { Parse(query: string): { readonly Syntax: Node } };
    readonly Syntax: { readonly SyntaxKind: Readonly<Record<string, unknown>> };
  };
}

const require = createRequire(import.meta.url);
require('@kusto/language-service-next/bridge.min.js');
require('@kusto/language-service-next/Kusto.Language.Bridge.min.js');
const { KustoCode, Syntax } = (globalThis as unknown as { Kusto: Kusto }).Kusto.Language;
const kinds = new Map(Object.entries(Syntax.SyntaxKind).map(([name, kind]) => [kind, name]));

const kindOf = (node: Node): string => kinds.get(node.Kind) ?? `kind ${node.Kind}`;
const children = (node: Node): readonly Node[] =>
  Array.from({ length: node.ChildCount }, (_, index) => node.GetChild(index)).filter((one) => one !== null);
const textOf = (node: Node): string => node.toString(0).trim();

/** The rows that the query finds at `now` (UTC ms). Throws for what it does not know. */
export function runQuery(
  query: string,
  tables: Readonly<Record<string, readonly Row[]>>,
  now: number,
): readonly Row[] {
  let scope: Scope = { tables: new Map(Object.entries(tables)), scalars: new Map(), now };
  let result: readonly Row[] | undefined;
  for (const statement of statementsOf(KustoCode.Parse(query.replaceAll(/^\s*\/\/.*$/gm, '')).Syntax)) {
    if (kindOf(statement) === 'LetStatement') {
      const [, name, , value] = children(statement);
      if (name === undefined || value === undefined) throw unknown(statement);
      if (isTabular(value))
        scope = { ...scope, tables: new Map([...scope.tables, [nameOf(name), tabular(value, scope)]]) };
      else
        scope = { ...scope, scalars: new Map([...scope.scalars, [nameOf(name), scalar(value, {}, scope)]]) };
    } else if (kindOf(statement) === 'ExpressionStatement') {
      const [expression] = children(statement);
      if (expression === undefined) throw unknown(statement);
      result = tabular(expression, scope);
    } else throw unknown(statement);
  }
  if (result === undefined) throw new Error('The query has no tabular expression.');
  return result;
}

const statementsOf = (block: Node): readonly Node[] =>
  children(block)
    .filter((one) => kindOf(one) === 'List')
    .flatMap(children)
    .flatMap((element) => children(element).slice(0, 1));

const unknown = (node: Node): Error => new Error(`Not interpreted: ${kindOf(node)} in "${textOf(node)}".`);

const nameOf = (node: Node): string => /^\[\s*['"](.*)['"]\s*\]$/.exec(textOf(node))?.[1] ?? textOf(node);

const isTabular = (node: Node): boolean => ['PipeExpression', 'NameReference'].includes(kindOf(node));

function tabular(node: Node, scope: Scope): readonly Row[] {
  if (kindOf(node) === 'NameReference') {
    const rows = scope.tables.get(nameOf(node));
    if (rows === undefined) throw new Error(`No table ${nameOf(node)}.`);
    return rows;
  }
  if (kindOf(node) !== 'PipeExpression') throw unknown(node);
  const [source, , operator] = children(node);
  if (source === undefined || operator === undefined) throw unknown(node);
  return apply(operator, tabular(source, scope), scope);
}

/** The elements of the operator's lists, one array a list that is not empty. */
const listsOf = (operator: Node): readonly (readonly Node[])[] =>
  children(operator)
    .filter((one) => kindOf(one) === 'List' && one.ChildCount > 0)
    .map(elements);
const elements = (list: Node): readonly Node[] =>
  children(list).map((element) => children(element)[0] ?? element);

function apply(operator: Node, rows: readonly Row[], scope: Scope): readonly Row[] {
  switch (kindOf(operator)) {
    case 'FilterOperator': {
      const condition = children(operator).at(-1);
      if (condition === undefined) throw unknown(operator);
      return rows.filter((row) => scalar(condition, row, scope) === true);
    }
    case 'ExtendOperator':
      return rows.map((row) => ({ ...row, ...columns(listsOf(operator)[0] ?? [], row, scope) }));
    case 'ProjectOperator':
      return rows.map((row) => columns(listsOf(operator)[0] ?? [], row, scope));
    case 'DistinctOperator':
      return unique(rows.map((row) => columns(listsOf(operator)[0] ?? [], row, scope)));
    case 'SummarizeOperator':
      return summarize(operator, rows, scope);
    default:
      throw unknown(operator);
  }
}

const unique = (rows: readonly Row[]): readonly Row[] => [
  ...new Map(rows.map((row) => [JSON.stringify(row), row])).values(),
];

function named(node: Node): { readonly name: string; readonly value: Node } {
  if (kindOf(node) !== 'SimpleNamedExpression') return { name: nameOf(node), value: node };
  const [name, , value] = children(node);
  if (name === undefined || value === undefined) throw unknown(node);
  return { name: nameOf(name), value };
}

function columns(list: readonly Node[], row: Row, scope: Scope): Row {
  return Object.fromEntries(
    list.map(named).map(({ name, value }) => [name, scalar(value, row, scope)] as const),
  );
}

function summarize(operator: Node, rows: readonly Row[], scope: Scope): readonly Row[] {
  const [aggregates = []] = listsOf(operator);
  const by = children(operator).find((one) => kindOf(one) === 'SummarizeByClause');
  const keys = by === undefined ? [] : (listsOf(by)[0] ?? []);
  const groups = new Map<string, { readonly key: Row; readonly rows: Row[] }>();
  for (const row of rows) {
    const key = columns(keys, row, scope);
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { key, rows: [] };
    groups.set(text, group);
    group.rows.push(row);
  }
  // Without "by" there is one row, even of nothing.
  if (by === undefined && groups.size === 0) groups.set('', { key: {}, rows: [] });
  return [...groups.values()].map(({ key, rows: grouped }) =>
    aggregates.reduce<Row>((row, one) => ({ ...row, ...aggregate(one, grouped, scope) }), key),
  );
}

function aggregate(node: Node, rows: readonly Row[], scope: Scope): Row {
  const { name, value } = named(node);
  if (kindOf(value) !== 'FunctionCallExpression') throw unknown(value);
  const { called, operands } = call(value);
  const [first] = operands;
  if (called === 'count' && first === undefined)
    return { [name === textOf(value) ? 'count_' : name]: rows.length };
  if (first === undefined) throw unknown(value);
  const values = rows
    .map((row) => ({ row, value: scalar(first, row, scope) }))
    .filter(({ value: one }) => one !== null)
    .sort((one, other) => compare(one.value, other.value));
  const column = name === textOf(value) ? `${called}_${textOf(first)}` : name;
  if (called === 'min') return { [column]: values.at(0)?.value ?? null };
  if (called === 'max') return { [column]: values.at(-1)?.value ?? null };
  if (called !== 'arg_max') throw new Error(`Not interpreted: the aggregate ${called}.`);
  const newest = values.at(-1);
  const others = operands.map((operand) => [
    nameOf(operand),
    newest === undefined ? null : scalar(operand, newest.row, scope),
  ]);
  return Object.fromEntries(others) as Row;
}

function call(node: Node): { readonly called: string; readonly operands: readonly Node[] } {
  const [name, list] = children(node);
  if (name === undefined || list === undefined) throw unknown(node);
  return { called: textOf(name), operands: listsOf(list)[0] ?? [] };
}

/** What a value is as text; null is the empty text. */
const textFor = (value: Value): string =>
  value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

const compare = (one: Value, other: Value): number =>
  typeof one === 'number' && typeof other === 'number' ? one - other : textFor(one) < textFor(other) ? -1 : 1;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function timespan(node: Node): number {
  const [, count, unit = ''] = /^([0-9.]+)([a-z]+)$/.exec(textOf(node)) ?? [];
  const ms = unitMs[unit];
  if (ms === undefined) throw unknown(node);
  return Number(count) * ms;
}

type Binary = (one: Value, other: Value) => Value;
const ordered =
  (holds: (difference: number) => boolean): Binary =>
  (one, other) =>
    one !== null && other !== null && holds(one === other ? 0 : compare(one, other));
const counted =
  (operate: (one: number, other: number) => number): Binary =>
  (one, other) =>
    typeof one === 'number' && typeof other === 'number' ? operate(one, other) : null;

const binaries: Readonly<Record<string, Binary>> = {
  EqualExpression: ordered((difference) => difference === 0),
  GreaterThanExpression: ordered((difference) => difference > 0),
  GreaterThanOrEqualExpression: ordered((difference) => difference >= 0),
  LessThanExpression: ordered((difference) => difference < 0),
  LessThanOrEqualExpression: ordered((difference) => difference <= 0),
  SubtractExpression: counted((one, other) => one - other),
  MultiplyExpression: counted((one, other) => one * other),
  DivideExpression: counted((one, other) => one / other),
  HasExpression: (one, other) => hasTerm(textFor(one), textFor(other)),
  AndExpression: (one, other) => one === true && other === true,
  OrExpression: (one, other) => one === true || other === true,
};

function hasTerm(text: string, term: string): boolean {
  const isPart = (character: string | undefined): boolean => /[a-z0-9]/i.test(character ?? '');
  const within = text.toLowerCase();
  const wanted = term.toLowerCase();
  for (let at = within.indexOf(wanted); at >= 0; at = within.indexOf(wanted, at + 1))
    if (!isPart(within[at - 1]) && !isPart(within[at + wanted.length])) return true;
  return false;
}

function scalar(node: Node, row: Row, scope: Scope): Value {
  const kind = kindOf(node);
  const parts = children(node);
  const [first, second, third] = parts;
  const binary = binaries[kind];
  if (binary !== undefined && first !== undefined && third !== undefined)
    return binary(scalar(first, row, scope), scalar(third, row, scope));
  switch (kind) {
    case 'NameReference': {
      const name = nameOf(node);
      if (name in row) return row[name] ?? null;
      const value = scope.scalars.get(name);
      if (value === undefined) throw new Error(`No column ${name}.`);
      return value;
    }
    case 'StringLiteralExpression':
      return textOf(node).slice(1, -1);
    case 'LongLiteralExpression':
    case 'RealLiteralExpression':
      return Number(textOf(node));
    case 'BooleanLiteralExpression':
      return textOf(node) === 'true';
    case 'TimespanLiteralExpression':
      return timespan(node);
    case 'ParenthesizedExpression':
      if (second === undefined) throw unknown(node);
      return scalar(second, row, scope);
    case 'ElementExpression': {
      const of = first === undefined ? null : scalar(first, row, scope);
      const value = typeof of === 'object' && of !== null ? of[nameOf(second ?? node)] : null;
      return (value ?? null) as Value;
    }
    case 'NotInExpression':
    case 'InExpression': {
      if (first === undefined || third === undefined) throw unknown(node);
      const [list] = listsOf(third);
      const [table] = list ?? [];
      if (table === undefined || list?.length !== 1 || !isTabular(table)) throw unknown(node);
      const wanted = scalar(first, row, scope);
      const isIn = tabular(table, scope).some((one) => Object.values(one)[0] === wanted);
      return kind === 'InExpression' ? isIn : !isIn;
    }
    case 'ToScalarExpression': {
      const inner = parts.find(isTabular);
      if (inner === undefined) throw unknown(node);
      return Object.values(tabular(inner, scope)[0] ?? {})[0] ?? null;
    }
    case 'FunctionCallExpression':
      return functionValue(node, row, scope);
    default:
      throw unknown(node);
  }
}

function functionValue(node: Node, row: Row, scope: Scope): Value {
  const { called, operands } = call(node);
  const value = operands[0] === undefined ? null : scalar(operands[0], row, scope);
  switch (called) {
    case 'ago':
      return scope.now - Number(value);
    case 'now':
      return scope.now;
    case 'isnotnull':
      return value !== null;
    case 'parse_json':
      try {
        return JSON.parse(textFor(value)) as Value;
      } catch {
        return null;
      }
    case 'tostring':
      return textFor(value);
    case 'todouble':
      return value === null || value === '' ? null : Number(value);
    case 'tobool':
      return value === null ? null : value === true || value === 'true';
    default:
      throw new Error(`Not interpreted: the function ${called}.`);
  }
}
