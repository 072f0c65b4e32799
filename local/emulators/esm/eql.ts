// Filters in EQL, for the operators that the reference lists: `$code$ = 'text'`, <>, <, >, <=, >=, AND, OR, NOT and
// parentheses. A static value is compared by its value, a reference by the name of its card. How a quote inside text is
// escaped is not documented, so none can be.

export type Term = string | number;

/** What a filter asks of a card: the values of an attribute, or undefined if the template has none of that code. */
export type Lookup = (code: string) => readonly Term[] | undefined;

export type Filter = (lookup: Lookup) => boolean;

/** Thrown for a filter that ESM would answer with 400. */
export class EqlError extends Error {}

type Token =
  | { readonly kind: 'attribute' | 'text' | 'operator' | 'word'; readonly text: string }
  | { readonly kind: 'open' | 'close' };

const tokenPattern = /\s*(?:\$([A-Za-z0-9_]+)\$|'([^']*)'|(<>|<=|>=|=|<|>)|(\()|(\))|([A-Za-z]+|-?[0-9.]+))/y;

function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < text.trimEnd().length) {
    const found = tokenPattern.exec(text);
    if (found === null) throw new EqlError('The filter could not be parsed.');
    const [, attribute, quoted, operator, open, close, word] = found;
    if (attribute !== undefined) tokens.push({ kind: 'attribute', text: attribute });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted });
    else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator });
    else if (open !== undefined) tokens.push({ kind: 'open' });
    else if (close !== undefined) tokens.push({ kind: 'close' });
    else tokens.push({ kind: 'word', text: word ?? '' });
  }
  return tokens;
}

/** Throws EqlError. `now` (UTC ms) is what 'now - 2w' and the like mean. */
export function parseEql(text: string, now: number): Filter {
  const tokens = tokensOf(text);
  let at = 0;
  const isWord = (word: string): boolean => {
    const token = tokens[at];
    return token?.kind === 'word' && token.text.toUpperCase() === word;
  };
  const take = (): Token => {
    const token = tokens[at++];
    if (token === undefined) throw new EqlError('The filter ends too early.');
    return token;
  };
  const either = (): Filter => {
    let left = both();
    while (isWord('OR')) {
      at++;
      const [before, right] = [left, both()];
      left = (lookup) => before(lookup) || right(lookup);
    }
    return left;
  };
  const both = (): Filter => {
    let left = one();
    while (isWord('AND')) {
      at++;
      const [before, right] = [left, one()];
      left = (lookup) => before(lookup) && right(lookup);
    }
    return left;
  };
  const one = (): Filter => {
    if (isWord('NOT')) {
      at++;
      const inner = one();
      return (lookup) => !inner(lookup);
    }
    const token = take();
    if (token.kind === 'open') {
      const inner = either();
      if (take().kind !== 'close') throw new EqlError('A parenthesis is not closed.');
      return inner;
    }
    const operator = take();
    const operand = take();
    if (token.kind !== 'attribute' || operator.kind !== 'operator')
      throw new EqlError('The filter needs $code$, an operator and a value.');
    if (operand.kind !== 'text' && operand.kind !== 'word') throw new EqlError('The value is missing.');
    const wanted = dateOf(operand.text, now) ?? operand.text;
    return (lookup) => {
      const values = lookup(token.text);
      if (values === undefined) throw new EqlError(`Unknown attribute: ${token.text}`);
      return matches(values, operator.text, wanted);
    };
  };
  const filter = either();
  if (at < tokens.length) throw new EqlError('The filter has more than was understood.');
  return filter;
}

function matches(values: readonly Term[], operator: string, wanted: string): boolean {
  if (operator === '<>') return !values.some((value) => order(value, wanted) === 0);
  return values.some((value) => {
    const sign = order(value, wanted);
    switch (operator) {
      case '=':
        return sign === 0;
      case '<':
        return sign < 0;
      case '>':
        return sign > 0;
      case '<=':
        return sign <= 0;
      default:
        return sign >= 0;
    }
  });
}

/** Numbers as numbers; text by its characters, and by their case. */
function order(value: Term, wanted: string): number {
  if (typeof value === 'number') return value - Number(wanted);
  return value === wanted ? 0 : value < wanted ? -1 : 1;
}

const unitMs: Readonly<Record<string, number>> = {
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** 'now - 2w' and 'start_week' as an ISO instant; undefined for other text. */
function dateOf(text: string, now: number): string | undefined {
  if (text === 'start_week') {
    const date = new Date(now);
    const daysBack = (date.getUTCDay() + 6) % 7;
    return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() - daysBack))
      .toISOString()
      .replace('.000', '');
  }
  const relative = /^now(?:\s*([+-])\s*(\d{1,4})([mhdw]))?$/.exec(text);
  if (relative === null) return undefined;
  const [, sign = '+', count = '0', unit = 'm'] = relative;
  const ms = Number(count) * (unitMs[unit] ?? 0) * (sign === '-' ? -1 : 1);
  return new Date(now + ms).toISOString().replace(/\.\d+/, '');
}
