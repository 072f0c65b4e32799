/** A structured field without comments in parentheses (RFC 5322 3.2.2), nested ones included; an open one runs to the end. */
export function withoutComments(value: string): string {
  let depth = 0;
  let kept = '';
  for (let at = 0; at < value.length; at += 1) {
    const character = value.charAt(at);
    if (character === '\\' && depth > 0) at += 1;
    else if (character === '(') depth += 1;
    else if (character === ')' && depth > 0) depth -= 1;
    else if (depth === 0) kept += character;
  }
  return kept;
}
